//! Weights as safetensors bytes, and the names of a package's two files.

use super::InferError;
use crate::nn::Weights;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

pub const MANIFEST_FILE: &str = "manifest.json";
pub const WEIGHTS_FILE: &str = "weights.safetensors";

/// Same weights, same bytes.
pub fn weights_to_bytes(weights: &Weights) -> Result<Vec<u8>, InferError> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, data)| Ok((*name, TensorView::new(Dtype::F32, (*shape).clone(), data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| InferError::Weights(error.to_string()))?;
    serialize(views, None).map_err(|error| InferError::Weights(error.to_string()))
}

pub fn weights_from_bytes(bytes: &[u8]) -> Result<Weights, InferError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| InferError::Weights(error.to_string()))?;
    let mut weights = Weights::new();
    for (name, tensor) in file.tensors() {
        if tensor.dtype() != Dtype::F32 {
            return Err(InferError::Weights(format!("\"{name}\" is {:?}, expected F32", tensor.dtype())));
        }
        let values = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        weights.insert(name, (tensor.shape().to_vec(), values));
    }
    Ok(weights)
}
