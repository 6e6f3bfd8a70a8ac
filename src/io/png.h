#pragma once
#include <torch/torch.h>

#include <string>

namespace usam::io {

// Encodes an image (height, width, 3) RGB or (height, width) grey, uint8, as a PNG file's bytes (PNG specification,
// third edition; 8 bits, no interlace).
std::string encode_png(const torch::Tensor& image);

}  // namespace usam::io
