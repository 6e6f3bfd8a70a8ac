#include "tools/bench/step/work_counter.h"

#include <ATen/record_function.h>

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace usam::bench {
namespace {

using Inputs = c10::ArrayRef<const c10::IValue>;

std::mutex g_mutex;
Work g_work;
thread_local int t_inside = 0;  // operators that are counted as a whole, their own calls are not

struct Inside : at::ObserverContext {
  Inside() { ++t_inside; }
  ~Inside() override { --t_inside; }
};

// What one call is worth.
struct Counted {
  double work = 0;
  std::optional<Product> product = {};
};
using Rule = std::function<Counted(Inputs)>;

double real(int64_t n) {
  return static_cast<double>(n);
}

// x (..., K) and a weight (N, K) or (K, N), at the given places among the inputs.
Rule product_of(size_t x_at, size_t weight_at, bool is_transposed) {
  return [=](Inputs in) -> Counted {
    const auto& x = in[x_at].toTensor();
    const Product product{x.numel() / std::max<int64_t>(1, x.size(-1)),
                          in[weight_at].toTensor().size(is_transposed ? 0 : 1), x.size(-1)};
    return {product.work(), product};
  };
}

// (B, M, K) and (B, K, N), at the given place and behind it.
Rule batched_product_at(size_t first) {
  return [first](Inputs in) -> Counted {
    const auto &a = in[first].toTensor(), &b = in[first + 1].toTensor();
    return {2.0 * real(a.numel()) * real(b.size(2))};
  };
}

// input, weight, bias, stride, padding, dilation, transposed, ...
double convolution_work(const torch::Tensor& input, const torch::Tensor& weight, Inputs from_stride) {
  const auto stride = from_stride[0].toIntVector(), padding = from_stride[1].toIntVector(),
             dilation = from_stride[2].toIntVector();
  double places = real(input.size(0));
  for (int64_t i = 2; i < input.dim(); ++i) {
    const auto at = static_cast<size_t>(i - 2);
    auto of = [at](const std::vector<int64_t>& sizes) { return sizes[sizes.size() == 1 ? 0 : at]; };
    const int64_t span = of(dilation) * (weight.size(i) - 1) + 1;
    const bool is_transposed = from_stride[3].toBool();
    places *= real(is_transposed ? input.size(i) : (input.size(i) + 2 * of(padding) - span) / of(stride) + 1);
  }
  return 2.0 * places * real(weight.numel());
}

Counted convolution(Inputs in) {
  return {convolution_work(in[0].toTensor(), in[1].toTensor(), in.slice(3))};
}

// grad_output, input, weight, bias sizes, stride, padding, dilation, transposed, output padding, groups, output mask
Counted convolution_backward(Inputs in) {
  const auto mask = in[10].toBoolList();
  return {(mask[0] + mask[1]) * convolution_work(in[1].toTensor(), in[2].toTensor(), in.slice(4))};
}

// query (B, H, T, D), key, value from the given place on; `causal_at` is where is_causal stands.
Rule attention_at(size_t query_at, size_t causal_at, double products) {
  return [=](Inputs in) -> Counted {
    const auto &query = in[query_at].toTensor(), &key = in[query_at + 1].toTensor();
    const int64_t queries = query.size(2), keys = key.size(2);
    double pairs = real(queries) * real(keys);
    if (in[causal_at].toBool()) {
      const int64_t seen = std::min(queries, keys);  // query i looks at the keys up to i
      pairs = real(seen) * real(seen + 1) / 2 + real(queries - seen) * real(keys);
    }
    return {products * 2.0 * real(query.size(0) * query.size(1)) * pairs * real(query.size(3))};
  };
}

const std::map<std::string, Rule>& rules() {
  static const std::map<std::string, Rule> all = {
      {"aten::mm", product_of(0, 1, false)},
      {"aten::addmm", product_of(1, 2, false)},
      {"aten::_int_mm", product_of(0, 1, false)},
      {"aten::_weight_int8pack_mm", product_of(0, 1, true)},
      {"mkldnn::_linear_pointwise", product_of(0, 1, true)},
      {"mkl::_mkl_linear", product_of(0, 2, true)},
      {"onednn::qlinear_pointwise", product_of(0, 3, false)},
      {"aten::bmm", batched_product_at(0)},
      {"aten::baddbmm", batched_product_at(1)},
      {"aten::convolution", convolution},
      {"aten::convolution_backward", convolution_backward},
      {"aten::_scaled_dot_product_flash_attention_for_cpu", attention_at(0, 4, 2)},
      {"aten::_scaled_dot_product_flash_attention_for_cpu_backward", attention_at(1, 7, 5)},
      {"aten::_scaled_dot_product_flash_attention", attention_at(0, 4, 2)},
      {"aten::_scaled_dot_product_flash_attention_backward", attention_at(1, 11, 5)},
      {"aten::_scaled_dot_product_efficient_attention", attention_at(0, 6, 2)},
      {"aten::_scaled_dot_product_efficient_attention_backward", attention_at(1, 11, 5)},
      {"usam::attention", attention_at(0, 3, 2)},
  };
  return all;
}

std::unique_ptr<at::ObserverContext> on_call(const at::RecordFunction& call) {
  if (t_inside > 0) return nullptr;
  const auto rule = rules().find(call.name());
  if (rule == rules().end()) return nullptr;
  const Counted counted = rule->second(call.inputs());
  const std::scoped_lock lock(g_mutex);
  g_work.by_operator[rule->first] += counted.work;
  if (counted.product) ++g_work.products[*counted.product];
  return std::make_unique<Inside>();
}

}  // namespace

double Work::total() const {
  double sum = 0;
  for (const auto& [name, work] : by_operator) sum += work;
  return sum;
}

WorkCounter::WorkCounter()
    : handle_(at::addGlobalCallback(
          at::RecordFunctionCallback(on_call, [](const at::RecordFunction&, at::ObserverContext*) {})
              .needsInputs(true)
              .scopes({at::RecordScope::FUNCTION}))) {
  take();
}

WorkCounter::~WorkCounter() {
  at::removeCallback(handle_);
}

Work WorkCounter::take() {
  const std::scoped_lock lock(g_mutex);
  return std::exchange(g_work, {});
}

}  // namespace usam::bench
