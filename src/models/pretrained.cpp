#include "src/models/pretrained.h"

#include <cmath>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/tensor/dtype.h"

namespace usam {
namespace {

// Below this many values nobody is harmed by a config.json that lies: what is missing is listed instead.
constexpr double kHarmless = 1e8;

torch::ScalarType named_dtype(KeptDtype dtype) {
  if (dtype == KeptDtype::kBFloat16) return torch::kBFloat16;
  return dtype == KeptDtype::kFloat16 ? torch::kHalf : torch::kFloat;
}

torch::ScalarType kept_dtype(const ModelSource& source, const io::WeightFiles& files) {
  if (source.dtype != KeptDtype::kAuto) return named_dtype(source.dtype);
  return files.dtype() == torch::kDouble ? torch::kFloat : files.dtype();
}

}  // namespace

io::WeightFiles open_weights(const ModelSource& source, double values) {
  io::WeightFiles files(source.path.value);
  if (values > kHarmless && values > 4 * static_cast<double>(files.values()))
    user_error("{}: config.json describes a model of {:.2g} values or more, but the weights hold {}", files.source(),
               values, human_count(files.values()));
  return files;
}

void load_pretrained(torch::nn::Module& module, const ModelSource& source, const io::WeightFiles& files,
                     io::LoadOptions options) {
  options.keep_as = kept_dtype(source, files);
  const auto report = io::load_weights(module, files, options);
  log::info("{}: {} tensors loaded, {} in {}, of which {} mapped; {} left out", files.source(), report.tensors,
            human_bytes(report.bytes), dtype_name(*options.keep_as), human_bytes(report.mapped_bytes), report.left_out);
}

void keep_random(torch::nn::Module& module, const ModelSource& source) {
  if (source.dtype != KeptDtype::kFloat32) module.to(named_dtype(source.dtype));
}

}  // namespace usam
