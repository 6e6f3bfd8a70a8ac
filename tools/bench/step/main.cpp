// Takes the first steps of a training run and prints, as one JSON object, the floating-point work that they consist of,
// which matrix products are among it, and what the steps took in time, processor and memory. Nothing is written into
// the run's folder.
#include <cstdio>
#include <iostream>

#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "src/tensor/peak_bytes.h"
#include "src/tensor/rng.h"
#include "tools/bench/processor_time.h"
#include "tools/bench/step/profile.h"
#include "tools/bench/step/work_counter.h"
#include "tools/command_line.h"
#include "trainer/memory.h"
#include "trainer/optimizer.h"
#include "trainer/precision.h"
#include "trainer/stopwatch.h"
#include "trainer/sums.h"

namespace {

using namespace usam;

struct Arguments {
  std::string config, profile;
  std::vector<std::string> overrides;
  int64_t steps = 3, skip = 1;
};

// Micro-batches one after the other, epoch after epoch.
class Feed {
 public:
  explicit Feed(Batches batches) : batches_(std::move(batches)), stream_(batches_.open({})) {}
  data::Batch next() {
    for (;;) {
      if (auto batch = stream_->next()) return std::move(*batch);
      stream_ = batches_.open({++epoch_, 0, 0});
    }
  }

 private:
  Batches batches_;
  int64_t epoch_ = 0;
  std::unique_ptr<BatchStream> stream_;
};

class Bench {
 public:
  Bench(const Arguments& arguments, recipes::RunConfig config)
      : arguments_(arguments),
        config_(std::move(config)),
        source_(recipes::open_data(config_.data.train, config_)),
        recipe_(recipes::build_recipe(config_, *source_)),
        feed_(recipes::make_batches(recipes::make_data_set(source_, *recipe_, config_, true, nullptr),
                                    *dist::single_rank())) {
    if (torch::cuda::is_available()) device_ = torch::Device(torch::kCUDA, 0);
    recipe_->module().to(device_);
    recipe_->train(true);
    optimizer_ = optimizers().build(config_.trainer.optimizer, recipe_->groups());
  }

  Json run() {
    Json steps = Json::array();
    bench::Work work;
    for (int64_t i = 0; i < arguments_.steps; ++i) {
      std::optional<bench::Profile> profile;
      if (!arguments_.profile.empty() && i + 1 == arguments_.steps) profile.emplace(arguments_.profile, device_);
      steps.push_back(step(i));
      if (i + 1 == arguments_.skip) counter_.take();
    }
    work = counter_.take();
    const auto counted = static_cast<double>(arguments_.steps - arguments_.skip);
    Json operators = Json::object();
    for (const auto& [name, all] : work.by_operator) operators[name] = all / counted;
    Json report = {{"steps", steps},
                   {"work_per_step", work.total() / counted},
                   {"by_operator", operators},
                   {"products", products(work)},
                   {"tensor_bytes", tensor_bytes_},
                   {"device_bytes", peak_memory(device_).device},
                   {"threads", at::get_num_threads()}};
    return report;
  }

 private:
  // [M, N, K, times], the heaviest first.
  static Json products(const bench::Work& work) {
    std::vector<std::pair<double, Json>> all;
    for (const auto& [product, times] : work.products)
      all.emplace_back(-product.work() * static_cast<double>(times), Json{product.m, product.n, product.k, times});
    std::sort(all.begin(), all.end());
    Json list = Json::array();
    for (size_t i = 0; i < std::min<size_t>(all.size(), 16); ++i) list.push_back(all[i].second);
    return list;
  }
  Json step(int64_t index) {
    const data::Batch batch = feed_.next();
    const Stopwatch clock;
    const double processor = processor_seconds();
    double loss = 0;
    const PeakBytes memory([&] { loss = train(batch, index); }, device_.type());
    tensor_bytes_ = std::max(tensor_bytes_, memory.peak());
    return {{"seconds", clock.seconds()},
            {"processor_seconds", processor_seconds() - processor},
            {"audio_seconds", batch.audio_seconds},
            {"loss", loss}};
  }
  double train(const data::Batch& batch, int64_t index) {
    seed_default_generators(draw_key(static_cast<uint64_t>(config_.seed), "dropout", index, 0));
    for (const auto& group : recipe_->groups())
      for (const auto& [name, parameter] : group.parameters) parameter.mutable_grad() = torch::Tensor();
    const Counts counts = recipe_->count(batch);
    std::vector<torch::Tensor> parameters;
    const auto groups = recipe_->groups();
    for (const auto& group : groups)
      for (const auto& [name, parameter] : group.parameters) parameters.push_back(parameter);
    torch::Tensor loss;
    {
      AutocastScope autocast(device_, config_.trainer.precision);
      loss = touch(weighted_loss(recipe_->forward(batch.to(device_)).terms, counts), parameters);
    }
    loss.backward();
    for (const torch::Tensor& parameter : parameters)  // those that the passes left out
      if (!parameter.grad().defined()) parameter.mutable_grad() = torch::zeros_like(parameter);
    clip_gradients(groups, config_.trainer.max_grad_norm);
    optimizer_->step(groups, optimizer_->base_lr());
    return loss.item<double>();  // also waits for the device
  }

  const Arguments& arguments_;
  recipes::RunConfig config_;
  torch::Device device_ = torch::kCPU;
  std::shared_ptr<const data::Source> source_;
  std::shared_ptr<Recipe> recipe_;
  Feed feed_;
  std::shared_ptr<Optimizer> optimizer_;
  bench::WorkCounter counter_;
  int64_t tensor_bytes_ = 0;  // the most that a step's tensors held at a time, beside what was there before it
};

int run(const Arguments& arguments) {
  recipes::RunConfig config;
  load_config(arguments.config, {arguments.overrides, false}, config);
  std::cout << Bench(arguments, std::move(config)).run().dump() << '\n';
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Counts and times the first steps of a training run.");
  app.add_option("CONFIG", arguments.config)->required();
  app.add_option("OVERRIDES", arguments.overrides, "key.sub=value, laid over the file");
  app.add_option("--steps", arguments.steps)->check(CLI::PositiveNumber);
  app.add_option("--skip", arguments.skip, "first steps whose work is not counted")->check(CLI::NonNegativeNumber);
  app.add_option("--profile", arguments.profile, "write a trace of the last step to this file");
  return run_app(app, argc, argv, [&] {
    if (arguments.skip >= arguments.steps)
      user_error("--skip is {}, which leaves nothing of --steps {}.", arguments.skip, arguments.steps);
    return run(arguments);
  });
}
