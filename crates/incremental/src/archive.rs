//! A pipeline's file: JSON that a person can read, behind the line that every file begins with.
//!
//! Floats are written with the fewest digits that read back to the same bits, so a pipeline read from its
//! file computes the same as the one that was fitted. The same pipeline gives the same bytes.

use std::io::Write;
use std::sync::Arc;

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::pipeline::{Pipeline, PipelineStep};
use crate::sealed::{self, FileKind, archive_error};
use crate::steps;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    input: Vec<Input>,
    #[serde(borrow)]
    steps: Vec<Learnt<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    kind: ValueKind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Learnt<'a> {
    r#use: String,
    columns: Vec<String>,
    /// Left as it is until the step is known that reads it.
    #[serde(borrow)]
    learnt: &'a RawValue,
}

/// A [`Body`] that is written from where things are.
#[derive(Serialize)]
struct Written<'a> {
    input: Vec<Input>,
    steps: Vec<WrittenStep<'a>>,
}

#[derive(Serialize)]
struct WrittenStep<'a> {
    r#use: &'a str,
    columns: &'a [String],
    learnt: Box<dyn erased_serde::Serialize + 'a>,
}

impl Pipeline {
    /// The pipeline's file.
    ///
    /// # Errors
    /// A learnt value that JSON cannot hold, which is a defect.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes the pipeline's file, and gives its bytes.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes), and what `out` refuses.
    pub fn write_to(&self, out: &mut dyn Write) -> Result<u64, Error> {
        let input = self.input.iter().map(|c| Input { name: c.name.clone(), kind: c.kind });
        let steps = self.steps.iter().map(|step| WrittenStep {
            r#use: step.name,
            columns: &step.inputs,
            learnt: step.fitted.learnt(),
        });
        let body = Written { input: input.collect(), steps: steps.collect() };
        sealed::write(FileKind::Pipeline, out, |out| {
            serde_json::to_writer_pretty(&mut *out, &body).map_err(|e| match e.io_error_kind() {
                Some(_) => Error::new(ErrorKind::Io(e.into())),
                None => archive_error(e.to_string()),
            })?;
            out.write_all(b"\n").map_err(|e| Error::new(ErrorKind::Io(e)))
        })
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::OtherFile`] for another kind of file, [`ErrorKind::Archive`] for another version or a damaged one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Pipeline, Error> {
        let json = sealed::open(FileKind::Pipeline, bytes)?;
        let body: Body = serde_json::from_str(json)
            .map_err(|e| archive_error(format!("cannot be read: {e}; fit again")))?;
        // How the fitted input was stored does not matter any more.
        let column = |input: Input| Column { name: input.name, kind: input.kind, data_type: DataType::Null };
        let input = body.input.into_iter().map(column).collect();
        let steps = body.steps.into_iter().map(|step| {
            let kind = steps::find(&step.r#use).ok_or_else(|| {
                archive_error(format!("has a step `{}`, which this program does not know", step.r#use))
            })?;
            let fitted = (kind.decode)(step.learnt.get(), &step.columns)?;
            Ok(PipelineStep { name: kind.name, inputs: step.columns, fitted: Arc::from(fitted), held: None })
        });
        Ok(Pipeline {
            input,
            steps: steps.collect::<Result<_, Error>>()?,
            split: None,
            is_training: false,
            is_apart: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what a step learnt of one column.
    fn read(step: &str, learnt: &str) -> Result<Pipeline, String> {
        read_whole(step, &format!("[{learnt}]"))
    }

    /// Reads a step of one column that has learnt this.
    fn read_whole(step: &str, learnt: &str) -> Result<Pipeline, String> {
        let json = format!(
            r#"{{"input":[{{"name":"x","kind":"float"}}],"steps":[{{"use":"{step}","columns":["x"],"learnt":{learnt}}}]}}"#
        );
        let file = format!("tidegate-pipeline 1 crc32:{:08x}\n{json}", crc32fast::hash(json.as_bytes()));
        Pipeline::from_bytes(file.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused_under_a_right_checksum() {
        let vocabulary =
            r#""vocabulary":{"kind":"float","categories":[{"Float":"1.0"}],"has_missing":false,"rows":1}"#;
        let one_hot = |places: &str, unknown: &str| {
            format!(
                r#"{{{vocabulary},"places":{places},"unknown_place":{unknown},"names":["1.0"],"handle_unknown":"ignore","dtype":null}}"#
            )
        };
        let ordinal = |codes: &str| {
            format!(
                r#"{{{vocabulary},"codes":{codes},"missing":null,"handle_unknown":"error","dtype":null}}"#
            )
        };
        let imputed = |fill: &str, floats: bool| {
            format!(r#"{{"fill":{fill},"makes_floats":{floats},"missing_value":null,"indicator":false}}"#)
        };
        let ranged = |data: &str, low: f64, high: f64| {
            format!(r#"{{"data":{data},"low":{low:?},"high":{high:?},"clip":true}}"#)
        };
        let scaled = |scale: f64| format!(r#"{{"mean":1.0,"scale":{scale:?},"is_empty":false}}"#);
        let indicator = |flagged: bool, refuses: bool| {
            format!(r#"{{"missing_value":null,"is_flagged":{flagged},"refuses_missing":{refuses}}}"#)
        };
        let counted = |counts: &str| {
            format!(
                r#"{{{vocabulary},"counts":{counts},"is_whole":true,"handle_unknown":"error","handle_missing":"value"}}"#
            )
        };
        let analyzer = |least: usize| {
            format!(
                r#"{{"lowercase":true,"strip_accents":null,"units":"words","token_pattern":null,"stop_words":"english","ngram_range":[{least},2]}}"#
            )
        };
        let hashed = |features: u32| {
            let analyzer = analyzer(1);
            format!(
                r#"{{"analyzer":{analyzer},"n_features":{features},"binary":true,"norm":"l2","alternate_sign":true,"dtype":"float64"}}"#
            )
        };
        let weighted = |counts: &str| {
            let analyzer = analyzer(1);
            format!(
                r#"{{"analyzer":{analyzer},"weighting":{{"binary":false,"sublinear_tf":false,"use_idf":true,"smooth_idf":true,"norm":"l1","dtype":"float32"}},"documents":3,"terms":["a"],"document_counts":{counts}}}"#
            )
        };

        let max_abs = |scale: f64| format!(r#"{{"scale":{scale:?},"clip":false}}"#);
        let robust =
            |scale: f64| format!(r#"{{"center":1.0,"scale":{scale:?},"halved":false,"is_empty":false}}"#);
        let clip = |lower: &str| format!(r#"{{"lower":{lower},"upper":2}}"#);
        let cast = |dtype: &str| format!(r#"{{"dtype":"{dtype}"}}"#);
        let bins = |edges: &str| format!(r#"{{"edges":{edges},"encode":"ordinal","dtype":null}}"#);
        let shares = |quantiles: &str| format!(r#"{{"quantiles":{quantiles},"output":"normal"}}"#);
        let power = |anchor: f64, standard: &str| {
            format!(
                r#"{{"lambda":0.5,"curve":{{"method":"box_cox","anchor":{anchor:?}}},"standard":{standard},"standardize":true,"is_empty":false}}"#
            )
        };

        let sound = [
            ("max_abs_scaler", max_abs(0.5)),
            ("robust_scaler", robust(0.5)),
            ("log1p", "{}".to_owned()),
            ("clip", clip("-1.5")),
            ("cast", cast("uint8")),
            ("k_bins_discretizer", bins("[1.0,2.0]")),
            ("quantile_transformer", shares("[1.0,1.0,2.0]")),
            ("power_transformer", power(1.0, "[0.0,1.0]")),
            ("variance_threshold", r#"{"stays":true,"threshold":0.0}"#.to_owned()),
            ("one_hot_encoder", one_hot("[0]", "null")),
            ("ordinal_encoder", ordinal("[0]")),
            ("simple_imputer", imputed(r#"{"Int":"18446744073709551615"}"#, false)),
            ("min_max_scaler", ranged("[1.0,1.0]", 0.0, 1.0)),
            ("standard_scaler", scaled(0.5)),
            ("missing_indicator", indicator(true, false)),
            ("count_encoder", counted("[3.0]")),
            ("hashing_vectorizer", hashed(7)),
            ("tfidf_vectorizer", weighted("[3]")),
        ];
        for (step, learnt) in sound {
            assert!(read(step, &learnt).is_ok(), "{step}: {learnt}");
        }
        let unsound = [
            ("max_abs_scaler", max_abs(-1.0)),
            ("robust_scaler", robust(0.0)),
            ("clip", clip("2.5")),
            ("clip", r#"{"lower":null,"upper":null}"#.to_owned()),
            ("cast", cast("text")),
            ("k_bins_discretizer", bins("[2.0,1.0]")),
            ("quantile_transformer", shares("[2.0,1.0]")),
            ("power_transformer", power(0.0, "[0.0,1.0]")),
            ("power_transformer", power(1.0, "[0.0,0.0]")),
            ("power_transformer", power(1.0, "null")),
            ("one_hot_encoder", one_hot("[]", "null")),
            ("one_hot_encoder", one_hot("[1]", "null")),
            ("one_hot_encoder", one_hot("[0]", "1")),
            ("ordinal_encoder", ordinal("[0,1]")),
            ("simple_imputer", imputed(r#"{"Int":"18446744073709551616"}"#, false)),
            ("simple_imputer", imputed(r#"{"Text":"a"}"#, true)),
            ("min_max_scaler", ranged("[2.0,1.0]", 0.0, 1.0)),
            ("min_max_scaler", ranged("null", 1.0, 0.0)),
            ("standard_scaler", scaled(0.0)),
            ("missing_indicator", indicator(true, true)),
            ("count_encoder", counted("[]")),
            ("count_encoder", counted("[0.5]")),
            ("count_encoder", counted("[1e300]")),
            ("hashing_vectorizer", hashed(0)),
            ("tfidf_vectorizer", weighted("[4]")),
            ("tfidf_vectorizer", weighted("[]")),
        ];
        for (step, learnt) in unsound {
            let message = "column \"x\": what a step learnt of it contradicts itself; fit again";
            assert_eq!(read(step, &learnt).map(drop), Err(message.to_owned()), "{step}: {learnt}");
        }
        let empty_range = hashed(7).replace(&analyzer(1), &analyzer(3));
        assert_eq!(
            read("hashing_vectorizer", &empty_range).map(drop),
            Err("what a step learnt cannot be read: its range of n-grams is empty; fit again".to_owned())
        );
    }

    #[test]
    fn steps_of_several_columns_are_held_to_their_parts_too() {
        let vocabulary =
            r#""vocabulary":{"kind":"float","categories":[{"Float":"1.0"}],"has_missing":true,"rows":1}"#;
        let encoded = |classes: &str, means: &str, encodings: &str| {
            format!(
                r#"{{"target":"y","classes":{classes},"means":{means},"columns":[{{{vocabulary},"encodings":{encodings}}}]}}"#
            )
        };
        assert!(read_whole("target_encoder", &encoded("null", "[0.5]", "[[0.5,1.0]]")).is_ok());
        assert!(read_whole("target_encoder", &encoded(r#"["a"]"#, "[0.5]", "[[0.5,1.0]]")).is_ok());
        let contradiction = "what a step learnt contradicts itself; fit again".to_owned();
        for (classes, means, encodings) in [
            ("null", "[]", "[]"),
            ("null", "[0.5,0.5]", "[[0.5,1.0],[0.5,1.0]]"),
            ("null", "[0.5]", "[[0.5]]"),
            ("null", "[0.5]", "[[0.5,1.0],[0.5,1.0]]"),
            (r#"["a","b"]"#, "[0.5]", "[[0.5,1.0]]"),
        ] {
            let learnt = encoded(classes, means, encodings);
            let read = read_whole("target_encoder", &learnt).map(drop);
            assert_eq!(read, Err(contradiction.clone()), "{learnt}");
        }
        let none = r#"{"target":"y","classes":null,"means":[0.5],"columns":[]}"#;
        assert_eq!(
            read_whole("target_encoder", none).map(drop),
            Err("a step of 1 columns has learnt 0; fit again".to_owned())
        );
        let hasher = |features: u32| {
            format!(
                r#"{{"n_features":{features},"input_type":"dict","alternate_sign":true,"dtype":"float64"}}"#
            )
        };
        assert!(read_whole("feature_hasher", &hasher(1)).is_ok());
        assert_eq!(read_whole("feature_hasher", &hasher(0)).map(drop), Err(contradiction));
    }

    #[test]
    fn steps_of_several_columns_check_what_they_read() {
        let pca = |means: &str, components: &str, std_devs: &str| {
            let learnt = format!(
                r#"{{"means":{means},"components":{components},"std_devs":{std_devs},"whiten":true}}"#
            );
            read_whole("pca", &learnt)
        };
        let polynomial = |degree: &str| {
            let learnt = format!(r#"{{"degree":{degree},"interaction_only":false,"include_bias":true}}"#);
            read_whole("polynomial_features", &learnt)
        };
        assert!(pca("[0.0]", "[[1.0]]", "[2.0]").is_ok() && polynomial("[0,3]").is_ok());
        let message = "what a step learnt contradicts itself; fit again";
        for unsound in [
            pca("[]", "[[1.0]]", "[2.0]"),
            pca("[0.0]", "[[1.0,0.0]]", "[2.0]"),
            pca("[0.0]", "[[1.0],[0.0]]", "[2.0,1.0]"),
            pca("[0.0]", "[[1.0]]", "[]"),
            pca("[0.0]", "[[1.0]]", "[-2.0]"),
            polynomial("[3,2]"),
            polynomial("[0,1001]"),
        ] {
            assert_eq!(unsound.map(drop), Err(message.to_owned()));
        }
        let unread = "what a step learnt cannot be read: ";
        assert!(read_whole("pca", "{}").unwrap_err().starts_with(unread));
        assert!(read_whole("polynomial_features", "[]").unwrap_err().starts_with(unread));
    }
}
