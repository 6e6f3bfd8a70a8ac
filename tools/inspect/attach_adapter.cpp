#include "tools/inspect/attach_adapter.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "src/base/error.h"
#include "src/nn/linear.h"
#include "src/nn/lora.h"

namespace usam::inspect {
namespace {

constexpr std::string_view kLoraA = ".lora_A.weight", kLoraB = ".lora_B.weight";

// What peft takes from a weight before it adds an update that began with it (lora/layer.py, pissa_init and olora_init).
torch::Tensor principal_part(const torch::Tensor& weight, io::PeftResidual residual, int64_t rank, double scale) {
  rank = std::min({rank, weight.size(0), weight.size(1)});
  if (residual == io::PeftResidual::kOlora) {
    const auto [q, r] = torch::linalg_qr(weight);
    return scale * q.narrow(1, 0, rank).mm(r.narrow(0, 0, rank));
  }
  const auto [u, s, v] = torch::linalg_svd(weight, /*full_matrices=*/false);
  return u.narrow(1, 0, rank).mm(s.narrow(0, 0, rank).diag()).mm(v.narrow(0, 0, rank));
}

class Attachment {
 public:
  Attachment(torch::nn::Module& model, const io::PeftAdapter& adapter) : model_(model), adapter_(adapter) {
    for (const auto& item : model.named_modules("", false))
      if (auto linear = std::dynamic_pointer_cast<nn::LinearImpl>(item.value())) linears_[item.key()] = linear;
    for (const auto& [tensor_name, tensor] : adapter.tensors) tensors_[tensor_name] = tensor;
  }

  void run(const std::string& name) {
    torch::NoGradGuard no_grad;
    for (const auto& [tensor_name, tensor] : tensors_)
      if (io::peft_module_of(tensor_name).empty()) overwrite(tensor_name, tensor);
    for (const auto& [tensor_name, tensor] : tensors_)
      if (tensor_name.ends_with(kLoraA)) attach(io::peft_module_of(tensor_name));
    if (!problems_.empty())
      user_error("The adapter {} does not fit the language model:\n  {}", name, fmt::join(problems_, "\n  "));
  }

 private:
  void attach(const std::string& path) {
    const auto found = linears_.find(path);
    if (found == linears_.end()) {
      problems_.push_back(fmt::format("{}: the model has no such linear layer", path));
      return;
    }
    auto& linear = *found->second;
    // read_peft_adapter() has checked that both are there and of one rank.
    const torch::Tensor a = tensors_.at(path + std::string(kLoraA)), b = tensors_.at(path + std::string(kLoraB));
    if (a.size(1) != linear.in_features || b.size(0) != linear.out_features) {
      problems_.push_back(fmt::format("{}: the adapter is for a layer of {} to {}, the model's is of {} to {}", path,
                                      a.size(1), b.size(0), linear.in_features, linear.out_features));
      return;
    }
    nn::LoraConfig config;
    config.rank = a.size(0);
    config.alpha = adapter_.scale(path) * static_cast<double>(config.rank);
    // A saved weight is the rest already.
    if (adapter_.residual != io::PeftResidual::kNone && !tensors_.count(path + ".weight"))
      linear.weight.sub_(principal_part(linear.weight, adapter_.residual, config.rank, adapter_.scale(path)));
    auto update = std::make_shared<nn::LoraUpdate>(linear.in_features, linear.out_features, config);
    auto parameters = update->named_parameters();
    parameters["lora_A.weight"].copy_(a);
    parameters["lora_B.weight"].copy_(b);
    update->eval();
    linear.attach(update);
  }

  void overwrite(const std::string& path, const torch::Tensor& tensor) {
    auto parameters = model_.named_parameters();
    auto* target = parameters.find(path);
    if (!target) {
      problems_.push_back(fmt::format("{}: the model has no such parameter", path));
    } else if (target->sizes() != tensor.sizes()) {
      problems_.push_back(fmt::format("{}: the adapter has ({}), the model ({})", path, fmt::join(tensor.sizes(), ", "),
                                      fmt::join(target->sizes(), ", ")));
    } else {
      target->copy_(tensor);
    }
  }

  torch::nn::Module& model_;
  const io::PeftAdapter& adapter_;
  std::map<std::string, std::shared_ptr<nn::LinearImpl>> linears_;
  std::map<std::string, torch::Tensor> tensors_;
  std::vector<std::string> problems_;
};

}  // namespace

void attach_adapter(torch::nn::Module& model, const io::PeftAdapter& adapter, const std::string& name) {
  Attachment(model, adapter).run(name);
}

}  // namespace usam::inspect
