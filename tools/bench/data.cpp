// Reads a manifest through DataSet and Loader with the streams of the usam recipe (Whisper's log-mel, CED's log-mel,
// MERT's wave) and no model, and prints what that took as one JSON object: tools/bench/data.py holds it against a
// PyTorch DataLoader.
#include <chrono>
#include <iostream>

#include "data/loader.h"
#include "data/manifest.h"
#include "src/base/json.h"
#include "src/io/safetensors.h"
#include "tools/bench/processor_time.h"
#include "tools/command_line.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string manifest, features;
  int64_t threads = 1, rows = 16, passes = 2;
  bool thirty_seconds = false;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::shared_ptr<const usam::data::DataSet> open(const Arguments& arguments) {
  usam::data::DataPlan plan;
  plan.streams = {{"whisper", usam::WhisperMelSpec{.thirty_seconds = arguments.thirty_seconds}, 0},
                  {"ced", usam::CedMelSpec{}, 0},
                  {"mert", usam::WaveSpec{24000, true}, 0}};
  plan.min_seconds = 0.025;  // what MERT's convolutions need
  for (const auto& stream : plan.streams) plan.fields.push_back({stream.name, usam::data::Layout::kPadded});
  plan.length = [](const usam::data::Row&, double seconds) { return usam::data::SampleLength{.seconds = seconds}; };
  plan.make_example = [](const usam::data::Row&, const usam::data::Clip& clip) {
    return usam::data::Example(clip.features.begin(), clip.features.end());
  };
  usam::data::DataConfig config;
  config.batch.rows = arguments.rows;
  config.threads = arguments.threads;
  return std::make_shared<usam::data::DataSet>(usam::data::Manifest::open(arguments.manifest), std::move(plan), config,
                                               usam::data::Use{.is_training = false});
}

// A pass over all rows, timed.
usam::Json pass(const std::shared_ptr<const usam::data::DataSet>& data) {
  const auto begin = Clock::now();
  const double processor = processor_seconds();
  usam::data::Loader loader(data, {});
  double audio = 0, first = 0;
  while (const auto batch = loader.next()) {
    if (audio == 0) first = seconds_since(begin);
    audio += batch->audio_seconds;
  }
  return {{"wall_s", seconds_since(begin)},   {"cpu_s", processor_seconds() - processor},
          {"first_batch_s", first},           {"audio_s", audio},
          {"clips", loader.counts().samples}, {"skipped", loader.counts().skipped}};
}

// Each clip's features without padding, as KEY.STREAM.
void write_features(const std::shared_ptr<const usam::data::DataSet>& data, const std::string& path) {
  usam::io::NamedTensors tensors;
  usam::data::Loader loader(data, {});
  while (const auto batch = loader.next()) {
    for (const auto& [name, field] : batch->fields) {
      for (int64_t i = 0; i < batch->size(); ++i)
        tensors.emplace_back(batch->keys[static_cast<size_t>(i)] + "." + name,
                             field.data[i].slice(0, 0, field.lengths_B[i].item<int64_t>()));
    }
  }
  usam::io::write_safetensors(path, tensors);
}

int run(const Arguments& arguments) {
  torch::set_num_threads(1);  // of the reading thread, as in a training process that leaves the cores to the loader
  const auto data = open(arguments);
  if (!arguments.features.empty()) {
    write_features(data, arguments.features);
    return usam::kDone;
  }
  usam::Json last;
  for (int64_t i = 0; i < arguments.passes; ++i) last = pass(data);
  std::cout << last.dump() << '\n';
  return usam::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Times the data path; the last of --passes passes counts.");
  app.add_option("MANIFEST", arguments.manifest)->required();
  app.add_option("--threads", arguments.threads);
  app.add_option("--rows", arguments.rows, "of a batch");
  app.add_option("--passes", arguments.passes);
  app.add_flag("--thirty-seconds", arguments.thirty_seconds, "Whisper's log-mel over 30 s, as its extractor comes");
  app.add_option("--features", arguments.features, "write the features to this safetensors file instead");
  return usam::run_app(app, argc, argv, [&] { return run(arguments); });
}
