#include "src/tensor/recompute.h"

#include <ATen/autocast_mode.h>

#include <utility>
#include <vector>

#include "src/tensor/block.h"

namespace usam {
namespace {

using torch::autograd::variable_list;

// While it lives, autocast on a device is as given, and keeps no casts: those made without a graph would be taken for
// such with one.
class AutocastAs {
 public:
  AutocastAs(c10::DeviceType device, bool is_on, torch::ScalarType type)
      : device_(device),
        was_on_(at::autocast::is_autocast_enabled(device)),
        kept_(at::autocast::is_autocast_cache_enabled()),
        before_(at::autocast::get_autocast_dtype(device)) {
    set(is_on, type, false);
  }
  ~AutocastAs() { set(was_on_, before_, kept_); }
  AutocastAs(const AutocastAs&) = delete;
  AutocastAs& operator=(const AutocastAs&) = delete;

 private:
  void set(bool is_on, torch::ScalarType type, bool keeps) const {
    at::autocast::set_autocast_enabled(device_, is_on);
    at::autocast::set_autocast_dtype(device_, type);
    at::autocast::set_autocast_cache_enabled(keeps);
  }
  c10::DeviceType device_;
  bool was_on_, kept_;
  torch::ScalarType before_;
};

thread_local bool is_in_first_run = false;

// While it lives, will_run_again().
class FirstRun {
 public:
  FirstRun() : before_(std::exchange(is_in_first_run, true)) {}
  ~FirstRun() { is_in_first_run = before_; }
  FirstRun(const FirstRun&) = delete;
  FirstRun& operator=(const FirstRun&) = delete;

 private:
  bool before_;
};

// The default generators that dropout draws from: the processor's, and the device's where that is another.
class Draws {
 public:
  explicit Draws(torch::Device device) : device_(device) {
    for (auto& generator : generators()) states_.push_back(generator.get_state());
  }
  void replay() const {
    auto all = generators();
    for (size_t i = 0; i < all.size(); ++i) all[i].set_state(states_[i]);
  }

 private:
  std::vector<at::Generator> generators() const {
    std::vector<at::Generator> all = {at::globalContext().defaultGenerator(torch::kCPU)};
    if (!device_.is_cpu()) all.push_back(at::globalContext().defaultGenerator(device_));
    return all;
  }
  torch::Device device_;
  std::vector<torch::Tensor> states_;
};

// A block's forward pass, and what it found.
struct Pass : torch::CustomClassHolder {
  Pass(BlockWrapper::Forward f, torch::Device on)
      : forward(std::move(f)),
        device(on),
        draws(on),
        has_autocast(at::autocast::is_autocast_enabled(on.type())),
        autocast(at::autocast::get_autocast_dtype(on.type())) {}

  torch::Tensor run(const torch::Tensor& x) const {
    const AutocastAs same(device.type(), has_autocast, autocast);
    return forward(x);
  }
  torch::Tensor run_again(const torch::Tensor& x) const {
    const Draws now(device);
    draws.replay();
    const auto y = run(x);
    now.replay();
    return y;
  }

  BlockWrapper::Forward forward;
  torch::Device device;
  Draws draws;
  bool has_autocast;
  torch::ScalarType autocast;
};

// The gradients leave it as those of any other function, so that whoever waits for a parameter's sees nothing new.
class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  // `inputs`: what enters the block, then the parameters that it trains.
  static torch::Tensor forward(torch::autograd::AutogradContext* context, torch::TensorList inputs,
                               const c10::intrusive_ptr<Pass>& pass) {
    context->save_for_backward({inputs[0]});
    context->saved_data["pass"] = c10::IValue::make_capsule(pass);
    context->saved_data["parameters"] = std::vector<torch::Tensor>(inputs.begin() + 1, inputs.end());
    const FirstRun first;
    return pass->run(inputs[0]);
  }

  static variable_list backward(torch::autograd::AutogradContext* context, const variable_list& outer) {
    const auto pass = c10::static_intrusive_pointer_cast<Pass>(context->saved_data["pass"].toCapsule());
    const auto parameters = context->saved_data["parameters"].toTensorVector();
    const auto x = context->get_saved_variables()[0].detach().requires_grad_(context->needs_input_grad(0));
    variable_list wanted = parameters;
    if (x.requires_grad()) wanted.push_back(x);
    variable_list made;
    {
      const torch::AutoGradMode graph(true);
      made = torch::autograd::grad({pass->run_again(x)}, wanted, {outer[0]}, /*retain_graph=*/false,
                                   /*create_graph=*/false, /*allow_unused=*/true);
    }
    variable_list gradients = {x.requires_grad() ? made.back() : torch::Tensor()};
    gradients.insert(gradients.end(), made.begin(), made.begin() + static_cast<std::ptrdiff_t>(parameters.size()));
    gradients.emplace_back();
    return gradients;
  }
};

}  // namespace

bool will_run_again() {
  return is_in_first_run;
}

class RecomputedBlock final : public BlockWrapper {
 public:
  explicit RecomputedBlock(const Block& block) {
    for (const auto& parameter : block.parameters())
      if (parameter.requires_grad()) trained_.push_back(parameter);
  }

  torch::Tensor run(const torch::Tensor& x, const Forward& forward) override {
    if (!torch::GradMode::is_enabled() || (trained_.empty() && !x.requires_grad())) return forward(x);
    is_used = true;
    if (!is_chosen) return forward(x);
    variable_list inputs = {x};
    inputs.insert(inputs.end(), trained_.begin(), trained_.end());
    return Recomputed::apply(torch::TensorList(inputs), c10::make_intrusive<Pass>(forward, x.device()));
  }

  bool is_chosen = false;
  bool is_used = false;  // a gradient will go through it, or did

 private:
  std::vector<torch::Tensor> trained_;
};

RecomputedBlocks::RecomputedBlocks(torch::nn::Module& module) {
  for (const auto& item : module.named_modules("", /*include_self=*/false)) {
    auto* block = dynamic_cast<Block*>(item.value().get());
    if (!block) continue;
    blocks_.push_back(std::make_shared<RecomputedBlock>(*block));
    block->wrap(blocks_.back());
  }
}

void RecomputedBlocks::choose(int64_t count) {
  for (int64_t i = 0; i < size(); ++i)
    blocks_[static_cast<size_t>(i)]->is_chosen = (i + 1) * count / size() > i * count / size();
}

void RecomputedBlocks::keep_used() {
  choose(0);
  std::erase_if(blocks_, [](const auto& block) { return !block->is_used; });
}

}  // namespace usam
