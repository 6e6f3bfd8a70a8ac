#include "src/models/pretrained.h"

#include <cmath>
#include <map>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/nn/linear.h"
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

// The store's share of the layer: how its weight is kept, and in which type where that is a floating one.
struct Kept {
  nn::WeightStore store;
  torch::ScalarType type = torch::kFloat;
};

Kept kept_by(KeptStore store) {
  switch (store) {
    case KeptStore::kBFloat16Dynamic:
      return {nn::WeightStore::kBFloat16Dynamic};
    case KeptStore::kInt8:
      return {nn::WeightStore::kInt8};
    case KeptStore::kInt8Dynamic:
      return {nn::WeightStore::kInt8Dynamic};
    case KeptStore::kNf4:
      return {nn::WeightStore::kNf4};
    case KeptStore::kFloat16:
      return {nn::WeightStore::kPlain, torch::kHalf};
    default:
      return {nn::WeightStore::kPlain, torch::kBFloat16};
  }
}

using Linears = std::map<std::string, std::shared_ptr<nn::LinearImpl>>;

// What a store is for, by the path of the weight: every linear layer, but no output projection in 4 bits.
Linears stored_linears(torch::nn::Module& module, KeptStore store) {
  Linears linears;
  if (store == KeptStore::kDtype) return linears;
  for (const auto& item : module.named_modules("", /*include_self=*/false)) {
    const auto linear = std::dynamic_pointer_cast<nn::LinearImpl>(item.value());
    if (linear && (item.key() != "lm_head" || store != KeptStore::kNf4)) linears[item.key() + ".weight"] = linear;
  }
  return linears;
}

void keep(nn::LinearImpl& linear, const torch::Tensor& weight_OI, const Kept& kept) {
  const bool is_plain = kept.store == nn::WeightStore::kPlain;
  linear.keep(is_plain ? weight_OI.to(kept.type).contiguous() : weight_OI, kept.store);
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
  const auto linears = stored_linears(module, source.store);
  if (!linears.empty())
    options.take = [&](const std::string& path, const torch::Tensor& value) {
      const auto found = linears.find(path);
      if (found != linears.end()) keep(*found->second, value, kept_by(source.store));
      return found != linears.end();
    };
  const auto report = io::load_weights(module, files, options);
  log::info("{}: {} tensors loaded, {} in {}, of which {} mapped; {} left out", files.source(), report.tensors,
            human_bytes(report.bytes), dtype_name(*options.keep_as), human_bytes(report.mapped_bytes), report.left_out);
}

void keep_random(torch::nn::Module& module, const ModelSource& source) {
  if (source.dtype != KeptDtype::kFloat32) module.to(named_dtype(source.dtype));
  for (const auto& [path, linear] : stored_linears(module, source.store))
    keep(*linear, linear->weight.detach(), kept_by(source.store));
}

}  // namespace usam
