//! Plain slices out of tensors, for operations that are written as loops.

use candle_core::{CpuStorage, Error, Layout, Result, Storage, Tensor};

/// The contiguous values of an operand inside a custom operation.
pub fn operand<'a>(storage: &'a CpuStorage, layout: &Layout, op: &'static str) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => Err(Error::Msg(format!("{op} needs contiguous operands"))),
    }
}

/// Runs `work` on the values of a contiguous CPU tensor without copying them.
pub fn with_values<R>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => work(operand(cpu, layout, "loop")?),
        _ => Err(Error::Msg("only CPU tensors are supported".to_owned())),
    }
}
