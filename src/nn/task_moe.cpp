// B rows, T frames, D width of the tokens, W width of the language model, E experts.
#include "src/nn/task_moe.h"

#include "src/base/error.h"

namespace usam::nn {

void describe(Fields& f, TaskMoeConfig& c) {
  f("experts", c.experts, "number of experts").at_least(1);
  f("expert_hidden", c.expert_hidden, "hidden width of an expert; null: an expert is a single linear layer")
      .at_least(1);
  f.choice("router_input", c.router_input,
           {{"prompt", RouterInput::kPrompt}, {"both", RouterInput::kBoth}, {"frames", RouterInput::kFrames}},
           "what the router sees: the task's prompt, the frame, or both");
  f("top_k", c.top_k, "experts that run for a frame; null: all, mixed").at_least(1);
  f.rule([&c] {
    return c.top_k.value_or(1) > c.experts ? fmt::format("top_k ({}) is more than experts ({}).", *c.top_k, c.experts)
                                           : std::string();
  });
}

TaskMoeImpl::TaskMoeImpl(const TaskMoeConfig& config, int64_t width, int64_t output_width)
    : config_(config), output_width_(output_width) {
  torch::nn::ModuleList list;
  for (int64_t e = 0; e < config.experts; ++e) {
    first_.emplace_back(width, config.expert_hidden.value_or(output_width));
    if (config.expert_hidden) {
      second_.emplace_back(*config.expert_hidden, output_width);
      list->push_back(torch::nn::Sequential(first_.back(), torch::nn::GELU(), second_.back()));
    } else {
      list->push_back(first_.back());
    }
  }
  register_module("experts", list);
  const bool sees_prompt = config.router_input != RouterInput::kFrames;
  const bool sees_frames = config.router_input != RouterInput::kPrompt;
  if (sees_prompt) prompt_fc_ = register_module("prompt_fc", Linear(output_width, width));
  router_ = register_module(
      "router", Linear((sees_prompt ? width : 0) + (sees_frames ? width : 0), config.experts, /*with_bias=*/false));
}

torch::Tensor TaskMoeImpl::router_input(const torch::Tensor& x_BTD, const torch::Tensor& prompt_BW) {
  if (config_.router_input == RouterInput::kFrames) return x_BTD;
  namespace F = torch::nn::functional;
  const auto task_BD = prompt_fc_->forward(F::normalize(prompt_BW, F::NormalizeFuncOptions().dim(-1).eps(1e-12)));
  const auto task_BTD = task_BD.unsqueeze(1).expand({-1, x_BTD.size(1), -1});
  return config_.router_input == RouterInput::kPrompt ? task_BTD
                                                      : torch::cat({x_BTD, task_BTD.to(x_BTD.scalar_type())}, 2);
}

Projected TaskMoeImpl::forward(const Frames& tokens, const torch::Tensor& prompt_BW) {
  const auto& x_BTD = tokens.x_BTD;
  const auto valid_BT1 = tokens.valid_BT().unsqueeze(2);
  const auto probabilities_BTE =
      router_->forward(router_input(x_BTD, prompt_BW)).softmax(-1, torch::kFloat).masked_fill(~valid_BT1, 0);
  if (!config_.top_k) {
    const auto y_BTW = mix_all(x_BTD, probabilities_BTE).masked_fill(~valid_BT1, 0);
    return {{y_BTW, tokens.lengths_B, tokens.hz},
            probabilities_BTE,
            probabilities_BTE,
            valid_BT1.expand_as(probabilities_BTE)};
  }
  const auto order_BTE = std::get<1>(probabilities_BTE.sort(/*stable=*/true, /*dim=*/2, /*descending=*/true));
  const auto top_BTK = order_BTE.narrow(2, 0, *config_.top_k);
  const auto chosen_BTE =
      torch::zeros_like(probabilities_BTE, torch::kBool).scatter(2, top_BTK, true).logical_and(valid_BT1);
  const auto kept_BTE = probabilities_BTE.masked_fill(~chosen_BTE, 0);
  const auto gates_BTE = kept_BTE / kept_BTE.sum(2, /*keepdim=*/true).masked_fill(~valid_BT1, 1);
  return {{mix_chosen(x_BTD, gates_BTE, chosen_BTE), tokens.lengths_B, tokens.hz},
          gates_BTE,
          probabilities_BTE,
          chosen_BTE};
}

torch::Tensor TaskMoeImpl::expert(size_t e, const torch::Tensor& x) {
  const auto y = first_[e]->forward(x);
  return second_.empty() ? y : second_[e]->forward(torch::gelu(y));
}

torch::Tensor TaskMoeImpl::mix_all(const torch::Tensor& x_BTD, const torch::Tensor& gates_BTE) {
  torch::Tensor y_BTW;
  for (size_t e = 0; e < first_.size(); ++e) {
    const auto part = gates_BTE.narrow(2, static_cast<int64_t>(e), 1) * expert(e, x_BTD);
    y_BTW = e == 0 ? part : y_BTW + part;
  }
  return y_BTW;
}

// Each expert sees only the frames that chose it: how many these are, the host waits to hear, once for all experts.
torch::Tensor TaskMoeImpl::mix_chosen(const torch::Tensor& x_BTD, const torch::Tensor& gates_BTE,
                                      const torch::Tensor& chosen_BTE) {
  const auto x_FD = x_BTD.flatten(0, 1);  // F frames of all rows
  const auto gates_FE = gates_BTE.flatten(0, 1);
  const auto chosen_FE = chosen_BTE.flatten(0, 1);
  const auto counts = to_vector(chosen_FE.sum(0));
  // Expert by expert, its frames in order come before those that it does not see.
  const auto order_EF = std::get<1>(chosen_FE.t().to(torch::kByte).sort(/*stable=*/true, 1, /*descending=*/true));
  auto y_FW = torch::zeros({x_FD.size(0), output_width_}, gates_FE.options());
  for (size_t e = 0; e < first_.size(); ++e) {
    const auto column = static_cast<int64_t>(e);
    const auto index = order_EF[column].narrow(0, 0, counts[e]);
    const auto gate = gates_FE.select(1, column).index_select(0, index).unsqueeze(1);
    y_FW = y_FW.index_add(0, index, gate * expert(e, x_FD.index_select(0, index)));
  }
  return y_FW.view({x_BTD.size(0), x_BTD.size(1), output_width_});
}

}  // namespace usam::nn
