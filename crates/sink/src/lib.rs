//! Writers that leave a whole file or none.
