#pragma once
// The smallest thing the trainer can drive: a linear model with dropout, two loss terms with different counts, a
// parameter that no batch uses, and micro-batches that are a pure function of their place.
#include <functional>
#include <memory>
#include <string>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/tensor/rng.h"
#include "trainer/batches.h"
#include "trainer/recipe.h"

namespace usam::test {

struct ToyOptions {
  double dropout = 0;
  bool uses_bias = true;                               // false: no forward pass touches the bias
  std::function<void(const data::Batch&)> on_forward;  // called first thing in a forward pass
  std::vector<Watch> watches = {};
};

struct ToyModuleImpl : torch::nn::Module {
  torch::Tensor matrix_IO, bias, spare_IO, seen;
  ToyModuleImpl() {
    const torch::Generator random = generator(draw_key(7, "toy"));
    matrix_IO = register_parameter("matrix", torch::randn({4, 3}, random));
    bias = register_parameter("bias", torch::zeros(3));
    spare_IO = register_parameter("spare", torch::full({2, 2}, 0.5));
    seen = register_buffer("seen", torch::zeros({}, torch::kInt64));
  }
};
TORCH_MODULE(ToyModule);

class ToyRecipe final : public Recipe {
 public:
  explicit ToyRecipe(ToyOptions options = {}) : options_(std::move(options)) {}

  data::DataPlan data_plan() const override { return {}; }
  Counts count(const data::Batch& batch) const override {
    const auto samples = static_cast<double>(batch.size());
    return {{"samples", samples}, {"values", samples * 4}};
  }
  StepOutput forward(const data::Batch& batch) override {
    if (options_.on_forward) options_.on_forward(batch);
    if (batch.size() == 0) return output(torch::zeros({}), torch::zeros({}), 0);
    if (is_training_) module_->seen += batch.size();
    const torch::Tensor& x_BI = batch.field("x").data;
    const torch::Tensor& y_BO = batch.field("y").data;
    torch::Tensor out_BO = torch::dropout(x_BI, options_.dropout, is_training_).matmul(module_->matrix_IO);
    if (options_.uses_bias) out_BO = out_BO + module_->bias;
    return output((out_BO - y_BO).square().sum(), (x_BI * module_->matrix_IO.sum(1)).abs().sum(), batch.size());
  }
  std::vector<ParameterGroup> groups() override {
    ParameterGroup layer{.name = "layer", .parameters = {}};
    layer.parameters = {{"matrix", module_->matrix_IO}, {"bias", module_->bias}};
    ParameterGroup spare{.name = "spare", .lr_scale = 0.1, .parameters = {}};
    spare.parameters = {{"spare", module_->spare_IO}};
    return {layer, spare};
  }
  torch::nn::Module& module() override { return *module_; }
  std::vector<std::pair<std::string, torch::Tensor>> statistics() override { return {{"seen", module_->seen}}; }
  std::vector<Watch> watches() const override { return options_.watches; }
  void train(bool on) override { is_training_ = on; }
  void save_assets(const std::string& folder, const io::NamedTensors&) const override {
    write_file_atomically(folder + "/base.json", kBase);
  }
  void check_assets(const std::string& folder) const override {
    if (read_file(folder + "/base.json") != kBase) user_error("{}/base.json is another toy's.", folder);
  }

 private:
  static StepOutput output(const torch::Tensor& error, const torch::Tensor& size, int64_t samples) {
    const auto count = static_cast<double>(samples);
    return {{{"error", error, "samples", 1}, {"size", size, "values", 0.25}}, {{"samples_seen", count * count, count}}};
  }

  static constexpr const char* kBase = "{\"toy\": 1}\n";

  ToyOptions options_;
  ToyModule module_;
  bool is_training_ = true;
};

// Micro-batch `cursor` of a toy epoch: one to three samples named e<epoch>-m<micro-batch>-s<sample>.
inline data::Batch toy_batch(data::Cursor cursor) {
  const DrawKey key = draw_key(3, "toy batch", cursor.epoch, cursor.micro_batch);
  const auto rows = static_cast<int64_t>(1 + below(key, 3));
  data::Batch batch;
  batch.cursor = cursor;
  batch.audio_seconds = static_cast<double>(rows);
  batch.seen = {{cursor.micro_batch % 2 == 0 ? "source/even" : "source/odd", rows}, {"task/toy", rows}};
  for (int64_t row = 0; row < rows; ++row)
    batch.keys.push_back(fmt::format("e{}-m{}-s{}", cursor.epoch, cursor.micro_batch, row));
  torch::Generator random = generator(key.with("values"));
  batch.fields["x"].data = torch::randn({rows, 4}, random);
  batch.fields["y"].data = batch.fields["x"].data.slice(1, 0, 3) * 2 + torch::randn({rows, 3}, random);
  return batch;
}

class ToyStream final : public BatchStream {
 public:
  ToyStream(int64_t size, data::Cursor from, int64_t rank, int64_t world)
      : size_(size), next_(from), rank_(rank), world_(world) {}
  std::optional<data::Batch> next() override {
    if (next_.micro_batch >= size_) return std::nullopt;
    const data::Cursor mine{next_.epoch, next_.micro_batch + rank_, next_.phase};
    next_.micro_batch += world_;
    if (mine.micro_batch < size_) return toy_batch(mine);
    data::Batch nothing;
    nothing.cursor = mine;
    return nothing;
  }

 private:
  int64_t size_;
  data::Cursor next_;
  int64_t rank_, world_;
};

// Epochs of `size` micro-batches.
inline Batches toy_batches(int64_t size, int64_t rank = 0, int64_t world = 1) {
  return {[size](const data::Cursor&) { return size; },
          [=](data::Cursor from) { return std::make_unique<ToyStream>(size, from, rank, world); }};
}

}  // namespace usam::test
