// Matching the tensors of files with those of a module, and bringing them in.
#include <map>
#include <set>
#include <sstream>
#include <unordered_set>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/io/weights.h"
#include "src/tensor/coded.h"
#include "src/tensor/dtype.h"
#include "src/tensor/finite.h"

namespace usam::io {
namespace {

bool is_float(const torch::Tensor& tensor) {
  return torch::isFloatingType(tensor.scalar_type());
}

// One call of load_weights: first everything is matched, then, without a problem, everything is brought in.
class Loader {
 public:
  Loader(torch::nn::Module& module, const WeightFiles& files, const LoadOptions& options)
      : files_(files), options_(options) {
    for (auto& entry : module.named_parameters()) targets_[entry.key()] = entry.value();
    for (auto& entry : module.named_buffers()) targets_[entry.key()] = entry.value();
    const auto coded = coded_parameters(module);
    coded_ = coded.modules;
    for (const auto& path : coded.scales) targets_.erase(path);
  }

  LoadReport run() {
    for (const auto& name : files_.names()) match(name);
    for (const auto& [path, target] : targets_) {
      const bool is_loaded = loaded_.count(target.unsafeGetTensorImpl()) > 0;
      if (!is_loaded && !(options_.optional && options_.optional(path)))
        problem("missing: {} {} {}", path, shape(target.sizes()), dtype(target));
    }
    if (!problems_.empty())
      user_error("{}: the weights do not fit the model, in {} tensor{} ({} fit):{}", files_.source(), count_,
                 count_ == 1 ? "" : "s", matches_.size(), problems_);
    for (const auto& match : matches_) load(match);
    refuse_not_finite();
    return report_;
  }

 private:
  struct Match {
    std::string name, path;  // in the file, in the module
  };

  torch::Tensor transformed(const std::string& path, const torch::Tensor& tensor) const {
    return options_.transform ? options_.transform(path, tensor) : tensor;
  }

  void match(const std::string& name) {
    const std::string path = options_.rename ? options_.rename(name) : name;
    if (path.empty()) {
      ++report_.left_out;
      return;
    }
    ++report_.tensors;
    match(name, path);
    if (!options_.also) return;
    for (const auto& further : options_.also(name)) match(name, further);
  }

  void match(const std::string& name, const std::string& path) {
    auto found = targets_.find(path);
    if (found == targets_.end()) return problem("unexpected: {}{}", name, path == name ? "" : " (as " + path + ")");
    auto [first, is_new] = name_of_.try_emplace(path, name);
    if (!is_new) return problem("{} and {} both go to {}", first->second, name, path);
    loaded_.insert(found->second.unsafeGetTensorImpl());
    const auto source = transformed(path, files_.get(name));
    const auto coded = coded_.find(path);
    const bool is_coded = coded != coded_.end();
    const auto sizes = is_coded ? coded->second->value_sizes() : found->second.sizes().vec();
    if (source.sizes() != sizes)
      return problem("shape of {}: expected {}, got {}", path, shape(sizes), shape(source.sizes()));
    // Quantised weights must not pass for real ones; a counter may, since Module::to(dtype) makes it floating.
    if (is_float(source) != (is_coded || is_float(found->second)) && source.dim() > 0)
      return problem("dtype of {}: expected {}, got {}", path, is_coded ? "Float" : dtype(found->second),
                     dtype(source));
    matches_.push_back({name, path});
  }

  void load(const Match& match) {
    auto& target = targets_.at(match.path);
    const auto in_file = files_.get(match.name);
    const auto source = transformed(match.path, in_file);
    const auto coded = coded_.find(match.path);
    if (coded != coded_.end()) coded->second->take_values(source);
    if (coded != coded_.end() || (options_.take && options_.take(match.path, source))) {
      // Codes hide what they cannot stand for.
      if (!is_float(target) && !all_finite(source)) not_finite_.insert(match.name);
    } else if (options_.keep_as) {
      const auto type = is_float(target) && target.dim() > 0 ? *options_.keep_as : target.scalar_type();
      target.set_data(source.to(target.device(), type).contiguous());
    } else {
      target.copy_(source);
    }
    const bool is_mapped = target.is_alias_of(in_file);
    report_.bytes += static_cast<int64_t>(target.nbytes());
    if (is_mapped) report_.mapped_bytes += static_cast<int64_t>(target.nbytes());
    if (!all_finite(target)) {
      (all_finite(source) ? too_large_ : not_finite_).insert(match.name);
      too_small_a_type_ = target.scalar_type();
    }
    if (!is_mapped) files_.drop(match.name);
  }

  void refuse_not_finite() const {
    if (!not_finite_.empty())
      user_error("{}: NaN or infinity in the weights: {}", files_.source(),
                 join_words({not_finite_.begin(), not_finite_.end()}));
    if (!too_large_.empty())
      user_error("{}: weights that {} cannot hold: {}; keep them in bfloat16 or float32", files_.source(),
                 dtype_name(too_small_a_type_), join_words({too_large_.begin(), too_large_.end()}));
  }

  static std::string shape(at::IntArrayRef sizes) {
    std::ostringstream text;
    text << sizes;
    return text.str();
  }

  static const char* dtype(const torch::Tensor& tensor) { return c10::toString(tensor.scalar_type()); }

  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    ++count_;
    problems_ += "\n  " + fmt::format(format, std::forward<Args>(args)...);
  }

  const WeightFiles& files_;
  const LoadOptions& options_;
  LoadReport report_;
  std::map<std::string, torch::Tensor> targets_;
  std::map<std::string, Coded*> coded_;                // of the targets
  std::map<std::string, std::string> name_of_;         // module path -> file name
  std::unordered_set<const c10::TensorImpl*> loaded_;  // by identity: tied parameters have two paths
  std::vector<Match> matches_;
  std::set<std::string> not_finite_, too_large_;  // names in the file
  torch::ScalarType too_small_a_type_ = torch::kHalf;
  std::string problems_;
  int64_t count_ = 0;
};

}  // namespace

LoadReport load_weights(torch::nn::Module& module, const WeightFiles& files, const LoadOptions& options) {
  torch::NoGradGuard no_grad;
  return Loader(module, files, options).run();
}

}  // namespace usam::io
