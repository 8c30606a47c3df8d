use std::fmt;

/// A float64 as Python's `repr` writes it: the fewest digits that read back as the same float,
/// `.0` on whole numbers, and an exponent below 1e−4 and from 1e16 on.
///
/// ```
/// # use incremental::stats::PythonFloat;
/// let names: Vec<String> = [2.0, 0.25, 1e-5, 1e16].map(|value| PythonFloat(value).to_string()).into();
/// assert_eq!(names, ["2.0", "0.25", "1e-05", "1e+16"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PythonFloat(
    /// The value to write.
    pub f64,
);

impl fmt::Display for PythonFloat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.is_nan() {
            return formatter.pad("nan");
        }
        if value.is_infinite() {
            return formatter.pad(if value > 0.0 { "inf" } else { "-inf" });
        }
        let scientific = shortest_scientific(value);
        let (digits, exponent) = split_exponent(&scientific);
        if !(-4..16).contains(&exponent) {
            let sign = if exponent < 0 { '-' } else { '+' };
            return formatter.pad(&format!("{digits}e{sign}{:02}", exponent.unsigned_abs()));
        }
        // At most 17 digits, the point within or next to them.
        let places = (digits.bytes().filter(u8::is_ascii_digit).count() as i32 - 1 - exponent).max(1);
        formatter.pad(&format!("{value:.*}", places as usize))
    }
}

/// The fewest digits that read back as `value`, and of those the nearest to it.
///
/// Two can be equally near: 2^−25 is 2.98023223876953125e−8, where 16 digits are too few. Python
/// takes the even one, the shortest format of Rust the upper one. Formatting to a given number of
/// digits rounds ties to even, but next to a power of two its result may be another float.
fn shortest_scientific(value: f64) -> String {
    let shortest = format!("{value:e}");
    let (digits, _) = split_exponent(&shortest);
    let places = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let nearest = format!("{value:.places$e}");
    if nearest.parse() == Ok(value) { nearest } else { shortest }
}

fn split_exponent(scientific: &str) -> (&str, i32) {
    scientific
        .split_once('e')
        .and_then(|(digits, exponent)| Some((digits, exponent.parse().ok()?)))
        .expect("a finite float in scientific notation has an exponent")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bits and `repr(struct.unpack('<d', struct.pack('<Q', bits))[0])` of CPython 3.11.
    const CPYTHON: &[(u64, &str)] = &[
        (0x0000000000000000, "0.0"),
        (0x0000000000000001, "5e-324"),
        (0x0000000000000003, "1.5e-323"),
        (0x000fffffffffffff, "2.225073858507201e-308"),
        (0x0010000000000000, "2.2250738585072014e-308"),
        (0x3c07a4da290c1653, "1.602176634e-19"),
        (0x3d30000000000000, "5.684341886080802e-14"),
        (0x3ddb7cdfd9d7bdbb, "1e-10"),
        (0x3e60000000000000, "2.9802322387695312e-08"),
        (0x3e7ad7f29abcaf48, "1e-07"),
        (0x3eb0000000000000, "9.5367431640625e-07"),
        (0x3ee4f8b588e368f1, "1e-05"),
        (0x3eef75104d551d69, "1.5e-05"),
        (0x3f1a36371ea531a8, "9.999e-05"),
        (0x3f1a36e2eb1c432c, "9.999999999999999e-05"),
        (0x3f1a36e2eb1c432d, "0.0001"),
        (0x3f202e4b6ce5dc68, "0.00012345"),
        (0x3f23a92a30553262, "0.00015000000000000001"),
        (0x3f50624dd2f1a9fc, "0.001"),
        (0x3f847ae147ae147b, "0.01"),
        (0x3fb999999999999a, "0.1"),
        (0x3fc999999999999a, "0.2"),
        (0x3fd0000000000000, "0.25"),
        (0x3fd3333333333333, "0.3"),
        (0x3fd3333333333334, "0.30000000000000004"),
        (0x3fd5555555555555, "0.3333333333333333"),
        (0x3fe0000000000000, "0.5"),
        (0x3fe5555555555555, "0.6666666666666666"),
        (0x3ff0000000000000, "1.0"),
        (0x4000000000000000, "2.0"),
        (0x4005bf0a8b145769, "2.718281828459045"),
        (0x400921fb54442d18, "3.141592653589793"),
        (0x4011666666666665, "4.349999999999999"),
        (0x4011666666666666, "4.35"),
        (0x4059000000000000, "100.0"),
        (0x405edd2f1a9fbe77, "123.456"),
        (0x41b1de784a000000, "299792458.0"),
        (0x41cdcd6500000000, "1000000000.0"),
        (0x42dc12218377de66, "123456789012345.6"),
        (0x430c6bf526340000, "1000000000000000.0"),
        (0x43118b54f22aeb03, "1234567890123456.8"),
        (0x432fffffffffffff, "4503599627370495.5"),
        (0x4330000000000000, "4503599627370496.0"),
        (0x433fffffffffffff, "9007199254740991.0"),
        (0x4340000000000000, "9007199254740992.0"),
        (0x4340e0198eaee000, "9500000000000000.0"),
        (0x4341c37937e07fff, "9999999999999998.0"),
        (0x4341c37937e08000, "1e+16"),
        (0x4345ee2a2eb5a5c4, "1.2345678901234568e+16"),
        (0x4376345785d89fff, "9.999999999999998e+16"),
        (0x4376345785d8a000, "1e+17"),
        (0x43e0000000000000, "9.223372036854776e+18"),
        (0x43f0000000000000, "1.8446744073709552e+19"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x447c7e83209e90b2, "8.41e+21"),
        (0x4480f0cf064dd592, "1e+22"),
        (0x44a52d02c7e14af6, "5e+22"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x44dfe185ca57c517, "6.02214076e+23"),
        (0x4630000000000000, "1.2676506002282294e+30"),
        (0x46fcfea915350dfe, "9.409340012568247e+33"),
        (0x54b249ad2594c37d, "1e+100"),
        (0x7e41eb2d66005835, "1.5e+300"),
        (0x7e6ddd4baa009303, "1e+301"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0x7ff8000000000000, "nan"),
        (0x8000000000000000, "-0.0"),
        (0x8000000000000001, "-5e-324"),
        (0xab2bff2ee48e0530, "-1e-100"),
        (0xbff0000000000000, "-1.0"),
        (0xc05edd2f1a9fbe77, "-123.456"),
        (0xc341c37937e08000, "-1e+16"),
        (0xffefffffffffffff, "-1.7976931348623157e+308"),
        (0xfff0000000000000, "-inf"),
    ];

    #[test]
    fn names_are_those_of_cpython() {
        for &(bits, expected) in CPYTHON {
            assert_eq!(PythonFloat(f64::from_bits(bits)).to_string(), expected);
        }
    }

    #[test]
    fn width_and_fill_apply() {
        assert_eq!(format!("{:>6}|{:<7}|", PythonFloat(0.5), PythonFloat(1e-5)), "   0.5|1e-05  |");
    }

    proptest! {
        #[test]
        fn names_read_back_as_the_same_float(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let name = PythonFloat(value).to_string();
            prop_assert_eq!(name.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(name.contains('.') || name.contains('e'), "{}", name);
        }
    }
}
