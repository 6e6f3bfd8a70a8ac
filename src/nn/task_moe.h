#pragma once
// Task-aware mixture-of-experts projector (TAPM, U-SAM): docs/model.md.
#include <vector>

#include "src/nn/bridge.h"
#include "src/nn/linear.h"

namespace usam::nn {

enum class RouterInput { kPrompt, kBoth, kFrames };

struct TaskMoeConfig {
  int64_t experts = 3;
  std::optional<int64_t> expert_hidden = 768;  // null: an expert is a single linear layer (the published code)
  RouterInput router_input = RouterInput::kBoth;
  std::optional<int64_t> top_k;  // null: all experts are mixed
};
void describe(Fields& f, TaskMoeConfig& c);

// y_t = sum_e g_e(t) expert_e(z_t). The router sees the task vector p = prompt_fc(e / |e|), e the mean prompt embedding
// (without the division it would see frames a thousand times more than tasks at first), the frame z_t, or both; softmax
// over experts. With top_k only the k most probable experts of a frame run and their gates are renormalised; ties go to
// the lower index. Experts have weights of their own. Children: experts.N, prompt_fc (absent for router_input frames),
// router.
class TaskMoeImpl : public Projector {
 public:
  TaskMoeImpl(const TaskMoeConfig& config, int64_t width, int64_t output_width);
  Projected forward(const Frames& tokens, const torch::Tensor& prompt_BW) override;
  const TaskMoeConfig& config() const { return config_; }

 private:
  torch::Tensor router_input(const torch::Tensor& x_BTD, const torch::Tensor& prompt_BW);
  torch::Tensor expert(size_t e, const torch::Tensor& x);  // (..., D) -> (..., W)
  torch::Tensor mix_all(const torch::Tensor& x_BTD, const torch::Tensor& gates_BTE);
  torch::Tensor mix_chosen(const torch::Tensor& x_BTD, const torch::Tensor& gates_BTE, const torch::Tensor& chosen_BTE);

  TaskMoeConfig config_;
  int64_t output_width_;
  std::vector<Linear> first_, second_;  // of each expert; second_ is empty where an expert is a single layer
  Linear prompt_fc_{nullptr}, router_{nullptr};
};
TORCH_MODULE(TaskMoe);

}  // namespace usam::nn
