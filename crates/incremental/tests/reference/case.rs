//! A reference case: what to run on which files, read through the loader and cut in any way.

use std::path::{Path, PathBuf};

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use chunked_loader::{Dialect, FixedRows, FixedType, Kind, Loader, Scan, Source, TypeHint};
use incremental::{Column, Fitting, Pipeline, Recipe, ValueKind};
use monitor::Monitor;

/// How the rows are cut: rows a batch, and workers that share a pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) rows: usize,
    pub(crate) workers: usize,
}

pub(crate) struct Case {
    pub(crate) folder: PathBuf,
    pub(crate) about: serde_json::Value,
}

/// One input file with what the scan found.
pub(crate) struct Input {
    loader: Loader,
    scan: Scan,
    pub(crate) columns: Vec<Column>,
    _spool: tempfile::TempDir,
}

impl Case {
    /// The cases of a folder that are transforms with values to compare; none if there is no folder.
    pub(crate) fn all(root: &Path) -> Vec<Case> {
        let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
        let mut folders: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        folders.sort();
        let case = |folder: PathBuf| {
            let about = std::fs::read_to_string(folder.join("case.json")).ok()?;
            let about: serde_json::Value = serde_json::from_str(&about).unwrap();
            let is_transform = about["kind"] == "transform" && about.get("property").is_none();
            is_transform.then_some(Case { folder, about })
        };
        folders.into_iter().filter_map(case).collect()
    }

    pub(crate) fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    pub(crate) fn recipe(&self) -> Result<Recipe, incremental::Error> {
        Recipe::parse(&std::fs::read_to_string(self.folder.join("recipe.toml")).unwrap())
    }

    /// The types that the case says to pass.
    pub(crate) fn hints(&self) -> Vec<(String, TypeHint)> {
        let types = self.about["types"].as_object();
        let hint = |(name, value): (&String, &serde_json::Value)| {
            let fixed: FixedType = value.as_str().unwrap().parse().unwrap();
            (name.clone(), TypeHint::Fixed(fixed))
        };
        types.into_iter().flatten().map(hint).collect()
    }
}

impl Input {
    pub(crate) fn open(path: &Path, hints: Vec<(String, TypeHint)>) -> Input {
        Input::open_as(path, Dialect::default(), hints)
    }

    pub(crate) fn open_as(path: &Path, dialect: Dialect, hints: Vec<(String, TypeHint)>) -> Input {
        let spool = tempfile::tempdir().unwrap();
        let source = Source::open(&[path.to_owned()], spool.path()).unwrap();
        let loader = Loader::new(source).with_dialect(dialect).with_type_hints(hints);
        let scan = loader.scan().unwrap();
        let column = |facts: &chunked_loader::ColumnFacts| Column {
            name: facts.name.clone(),
            kind: match facts.kind {
                Kind::Null => ValueKind::Null,
                Kind::Bool => ValueKind::Bool,
                Kind::Int => ValueKind::Int,
                Kind::Float => ValueKind::Float,
                Kind::Date => ValueKind::Date,
                Kind::Timestamp(_) => ValueKind::Timestamp,
                Kind::Text => ValueKind::Text,
            },
            data_type: facts.data_type.clone(),
        };
        let columns = scan.columns().iter().map(column).collect();
        Input { loader, scan, columns, _spool: spool }
    }

    /// As [`open`](Self::open), with text wherever `fitted` has text. It may lack a column.
    pub(crate) fn open_like(path: &Path, fitted: &Input) -> Input {
        let text = std::fs::read_to_string(path).unwrap();
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let texts = fitted.columns.iter().filter(|c| c.kind == ValueKind::Text);
        let texts = texts.filter(|c| header.contains(&c.name.as_str()));
        Input::open(path, texts.map(|c| (c.name.clone(), TypeHint::Text)).collect())
    }

    fn batches(&self, projection: &[usize], rows: usize) -> impl Iterator<Item = (RecordBatch, u64)> {
        let batches = self.loader.batches(&self.scan, projection, Box::new(FixedRows(rows)));
        batches.map(|batch| {
            let batch = batch.unwrap();
            let first_row = batch.first_row();
            (batch.into_parts().0, first_row)
        })
    }

    /// The pipeline's file after a fit, with the number of passes.
    pub(crate) fn fit(&self, recipe: Recipe, cut: Cut) -> Result<(Vec<u8>, usize), incremental::Error> {
        let mut fitting = Fitting::new(recipe, &self.columns, &Monitor::unbounded());
        while let Some(pass) = fitting.next_pass()? {
            let projection = pass.projection().to_vec();
            let mut workers = vec![pass];
            for _ in 1..cut.workers {
                workers.push(workers[0].sibling()?);
            }
            for (index, (batch, first_row)) in self.batches(&projection, cut.rows).enumerate() {
                workers[index % cut.workers].update(&batch, first_row)?;
            }
            // The last worker first, so that the order of merges is not that of the rows.
            let mut whole = workers.pop().unwrap();
            for worker in workers {
                whole.merge(worker)?;
            }
            fitting.finish_pass(whole)?;
        }
        let passes = fitting.passes();
        Ok((fitting.finish()?.to_bytes()?, passes))
    }

    /// The whole output of a pipeline's file.
    pub(crate) fn transform(
        &self,
        pipeline: &[u8],
        narrow: bool,
        rows: usize,
    ) -> Result<RecordBatch, incremental::Error> {
        let pipeline = Pipeline::from_bytes(pipeline)?;
        assert_eq!(pipeline.to_bytes()?, pipeline.clone().to_bytes()?);
        let bound = pipeline.bind(&self.columns, narrow)?;
        let mut outputs = Vec::new();
        for (batch, first_row) in self.batches(bound.projection(), rows) {
            outputs.push(bound.transform(&batch, first_row)?);
        }
        Ok(concat_batches(bound.schema(), &outputs).unwrap())
    }
}
