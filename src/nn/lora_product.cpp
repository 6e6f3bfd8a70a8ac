// N rows of x, I inputs, O outputs, R the rank.
#include "src/nn/lora_product.h"

#include <utility>

#include "src/nn/cpu_kernel.h"
#include "src/nn/dropout.h"
#include "src/tensor/autocast.h"

namespace usam::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Which inputs of the update were dropped: by a seed where a kernel makes the mask from one, else the mask.
class Dropped {
 public:
  // Draws, and returns what is left of the input.
  torch::Tensor draw(const torch::Tensor& x_NI, double share) {
    share_ = share;
    if (share == 0) return x_NI;
    if (is_plain_fp32(x_NI)) {
      draw_ = draw_dropout(share);
      return apply_dropout(x_NI, *draw_);
    }
    auto [kept, mask] = at::native_dropout(x_NI, share, true);
    mask_ = mask;
    return kept;
  }
  // The same of another tensor.
  torch::Tensor again(const torch::Tensor& x_NI) const {
    if (share_ == 0) return x_NI;
    return draw_ ? apply_dropout(x_NI, *draw_) : at::native_dropout_backward(x_NI, mask_, 1 / (1 - share_));
  }
  bool is_any() const { return share_ > 0; }

 private:
  double share_ = 0;
  std::optional<DropoutDraw> draw_;
  torch::Tensor mask_;
};

torch::ScalarType type_of_products(const torch::Tensor& x, const LowRank& update) {
  return autocast_type(x.device()).value_or(update.a_RI.scalar_type());
}

// What the backward pass needs beside tensors that autograd keeps.
struct KeptProduct : torch::CustomClassHolder {
  std::shared_ptr<torch::nn::Module> owner;  // of the layer, which must outlive the graph
  LinearImpl* layer = nullptr;
  Dropped dropped;
  torch::ScalarType type = torch::kFloat;
  double scale = 1;
};

// The output, and scale * A(dropout(x)).
std::pair<torch::Tensor, torch::Tensor> product(const torch::Tensor& x, const LowRank& update, KeptProduct& kept) {
  auto y = kept.layer->product(x);
  const auto x_NI = x.reshape({-1, x.size(-1)});
  const auto left_NI = kept.dropped.draw(x_NI.to(update.a_RI.scalar_type()), update.dropout).to(kept.type);
  auto inner_NR = at::mm(left_NI, update.a_RI.to(kept.type).t()).mul_(update.scale);
  auto y_NO = y.view({-1, y.size(-1)});
  const auto b_RO = update.b_OR.to(kept.type).t();
  if (y.scalar_type() == kept.type)
    y_NO.addmm_(inner_NR, b_RO);
  else
    y_NO.add_(at::mm(inner_NR, b_RO).to(y.scalar_type()));
  return {y, inner_NR};
}

class LoraProduct : public torch::autograd::Function<LoraProduct> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& x, const torch::Tensor& a_RI,
                               const torch::Tensor& b_OR, const c10::intrusive_ptr<KeptProduct>& kept, double dropout) {
    auto [y, inner_NR] = product(x, {a_RI, b_OR, kept->scale, dropout}, *kept);
    ctx->save_for_backward({x, a_RI, b_OR, inner_NR});
    ctx->saved_data["kept"] = torch::IValue::make_capsule(kept);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto capsule = ctx->saved_data["kept"].toCapsule();
    const auto& kept = static_cast<const KeptProduct&>(*capsule);
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &a_RI = saved[1], &b_OR = saved[2], &inner_NR = saved[3], &dy = grads[0];
    const auto dy_NO = dy.reshape({-1, dy.size(-1)}).to(kept.type);
    const auto dinner_NR = at::mm(dy_NO, b_OR.to(kept.type)).mul_(kept.scale);
    variable_list out(5);
    if (ctx->needs_input_grad(1)) {
      const auto left_NI = kept.dropped.again(x.reshape({-1, x.size(-1)}).to(a_RI.scalar_type()));
      out[1] = at::mm(dinner_NR.t(), left_NI.to(kept.type)).to(a_RI.scalar_type());
    }
    if (ctx->needs_input_grad(2)) out[2] = at::mm(dy_NO.t(), inner_NR).to(b_OR.scalar_type());
    if (ctx->needs_input_grad(0)) out[0] = input_gradient(kept, dy, dinner_NR, a_RI, x);
    return out;
  }

 private:
  static torch::Tensor input_gradient(const KeptProduct& kept, const torch::Tensor& dy, const torch::Tensor& dinner_NR,
                                      const torch::Tensor& a_RI, const torch::Tensor& x) {
    auto dx = kept.layer->input_gradient(dy).to(x.scalar_type());
    auto dx_NI = dx.view({-1, dx.size(-1)});
    const auto a = a_RI.to(kept.type);
    if (!kept.dropped.is_any() && dx.scalar_type() == kept.type) {
      dx_NI.addmm_(dinner_NR, a);
    } else {
      dx_NI.add_(kept.dropped.again(at::mm(dinner_NR, a).to(a_RI.scalar_type())).to(x.scalar_type()));
    }
    return dx;
  }
};

}  // namespace

torch::Tensor lora_product(LinearImpl& layer, const torch::Tensor& x, const LowRank& update) {
  auto kept = c10::make_intrusive<KeptProduct>();
  kept->layer = &layer;
  kept->type = type_of_products(x, update);
  kept->scale = update.scale;
  if (!makes_graph(x, update.a_RI, update.b_OR)) return product(x, update, *kept).first;
  kept->owner = layer.shared_from_this();
  return LoraProduct::apply(x, update.a_RI, update.b_OR, kept, update.dropout);
}

}  // namespace usam::nn
