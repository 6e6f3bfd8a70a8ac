#include "recipes/usam/encoders.h"

#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <ranges>

#include "recipes/usam/feature_cache.h"
#include "recipes/usam/length_groups.h"
#include "recipes/usam/sequence.h"
#include "src/tensor/block.h"

namespace usam::recipes {
namespace {

constexpr double kEnd = std::numeric_limits<double>::infinity();

// The clip's windows; itself where it is one.
std::vector<const data::Clip*> windows_of(const data::Clip& clip) {
  if (clip.windows.empty()) return {&clip};
  std::vector<const data::Clip*> windows;
  for (const auto& window : clip.windows) windows.push_back(&window);
  return windows;
}

// From when on, in seconds of the clip, a window's frames count: the middle of its overlap with the one before.
double first_moment(const std::vector<const data::Clip*>& windows, size_t w) {
  if (w == 0) return 0;
  if (w == windows.size()) return kEnd;
  const data::Clip& before = *windows[w - 1];
  return (windows[w]->start + before.start + before.seconds) / 2;
}

// The frames, of `count` of a window that begins at `start`, whose middle lies in [from, until).
struct Range {
  int64_t begin = 0, end = 0;
};
Range frames_between(const AudioEncoder& encoder, int64_t count, double start, double from, double until) {
  // Two windows' times for one frame differ by rounding: compared in microseconds, they are on the same side.
  const auto ticks = [](double seconds) { return std::round(seconds * 1e6); };
  const auto first_at = [&](double moment) {
    if (moment <= 0) return int64_t{0};
    const auto all = std::views::iota(int64_t{0}, count);
    const auto found = std::ranges::partition_point(
        all, [&](int64_t i) { return ticks(start + encoder.frame_time(i)) < ticks(moment); });
    return static_cast<int64_t>(found - all.begin());
  };
  return {first_at(from), first_at(until)};
}

torch::Tensor no_features(const AudioEncoder& encoder) {
  const auto spec = encoder.front_end();
  if (const auto* mel = std::get_if<WhisperMelSpec>(&spec)) return torch::empty({0, mel->mels});
  if (std::holds_alternative<CedMelSpec>(spec)) return torch::empty({0, 64});
  return torch::empty({0});
}

// What an encoder reads of some rows of a batch; all but the features in host memory.
struct EncoderInput {
  torch::Tensor features_BT, steps_BW, sizes_BW, windows_BW3, seconds_B;

  EncoderInput rows(const torch::Tensor& rows_R) const {
    const auto pick = [&](const torch::Tensor& x) { return x.index_select(0, to_device(rows_R, x.device())); };
    return {pick(features_BT), pick(steps_BW), pick(sizes_BW), pick(windows_BW3), pick(seconds_B)};
  }
};

EncoderInput input_of(const data::Batch& batch, const std::string& name) {
  return {batch.field("audio." + name).data, batch.field("steps." + name).data, batch.field("sizes." + name).data,
          batch.field("windows").data, batch.field("seconds").data.squeeze(1)};
}

// One window of a batch.
struct Window {
  int64_t row = 0;
  int64_t begin = 0, size = 0, steps = 0;  // in the row's features
  double start = 0, seconds = 0, from = 0, until = kEnd;
};

std::vector<Window> list_windows(const EncoderInput& input) {
  const auto steps = input.steps_BW.accessor<int64_t, 2>(), sizes = input.sizes_BW.accessor<int64_t, 2>();
  const auto times = input.windows_BW3.accessor<double, 3>();
  std::vector<Window> all;
  for (int64_t b = 0; b < steps.size(0); ++b) {
    int64_t begin = 0;
    for (int64_t w = 0; w < steps.size(1) && sizes[b][w] > 0; ++w) {
      if (w > 0) all.back().until = times[b][w][2];
      all.push_back({b, begin, sizes[b][w], steps[b][w], times[b][w][0], times[b][w][1], times[b][w][2], kEnd});
      begin += sizes[b][w];
    }
  }
  return all;
}

// The states that are used: all of them, or the last.
std::vector<torch::Tensor> used_states(EncoderOutput& output, bool all_states) {
  if (all_states) return std::move(output.states_BTD);
  return {output.last().x_BTD};
}

// Rows of one stream, and their frames.
struct States {
  std::vector<torch::Tensor> states_BTD;
  torch::Tensor lengths_B;  // in host memory
};

// The frames of each row, piece by piece and state by state.
class Stitcher {
 public:
  Stitcher(const AudioEncoder& encoder, int64_t rows) : encoder_(encoder), pieces_(static_cast<size_t>(rows)) {}

  void add(const std::vector<Window>& windows, std::vector<torch::Tensor> states_NTD, const torch::Tensor& counts_N) {
    for (size_t n = 0; n < windows.size(); ++n) {
      const Window& window = windows[n];
      const auto i = static_cast<int64_t>(n);
      const Range kept = frames_between(encoder_, counts_N[i].item<int64_t>(), window.start, window.from, window.until);
      auto& of_row = pieces_[static_cast<size_t>(window.row)];
      of_row.resize(states_NTD.size());
      for (size_t s = 0; s < states_NTD.size(); ++s)
        of_row[s].push_back(states_NTD[s][i].slice(0, kept.begin, kept.end));
    }
  }

  States states() const {
    States all;
    std::vector<int64_t> lengths;
    for (size_t s = 0; s < pieces_.front().size(); ++s) {
      std::vector<torch::Tensor> rows;
      for (const auto& of_row : pieces_) rows.push_back(torch::cat(of_row[s]));
      if (s == 0)
        for (const auto& row_TD : rows) lengths.push_back(row_TD.size(0));
      all.states_BTD.push_back(torch::nn::utils::rnn::pad_sequence(rows, /*batch_first=*/true));
    }
    all.lengths_B = ids_tensor(lengths);
    return all;
  }

 private:
  const AudioEncoder& encoder_;
  std::vector<std::vector<std::vector<torch::Tensor>>> pieces_;  // by row, state, window: (T, D)
};

States encode_windows(AudioEncoder& encoder, const EncoderInput& input, bool all_states) {
  const auto windows = list_windows(input);
  const double budget = static_cast<double>(input.seconds_B.size(0)) * input.seconds_B.max().item<double>();
  Stitcher stitcher(encoder, input.features_BT.size(0));
  for (size_t begin = 0, end = 0; begin < windows.size(); begin = end) {
    double longest = 0;
    for (end = begin; end < windows.size(); ++end) {
      longest = std::max(longest, windows[end].seconds);
      if (end > begin && longest * static_cast<double>(end - begin + 1) > budget) break;
    }
    const std::vector<Window> chunk(windows.begin() + static_cast<std::ptrdiff_t>(begin),
                                    windows.begin() + static_cast<std::ptrdiff_t>(end));
    std::vector<torch::Tensor> features;
    std::vector<int64_t> steps;
    for (const Window& window : chunk) {
      features.push_back(input.features_BT[window.row].slice(0, window.begin, window.begin + window.size));
      steps.push_back(window.steps);
    }
    auto output = encoder.forward(torch::nn::utils::rnn::pad_sequence(features, /*batch_first=*/true),
                                  ids_tensor(steps), all_states);
    stitcher.add(chunk, used_states(output, all_states), output.lengths_B);
  }
  return stitcher.states();
}

// What an encoder's pass costs however short it is, in output frames: the overhead of its operators, some 150 us a
// layer, and that of products of few rows.
double pass_overhead(const AudioEncoder& encoder) {
  constexpr double kFramesOfWidth1 = 2e6, kFewest = 4;
  const auto width = static_cast<double>(encoder.width());
  return std::max(kFewest, kFramesOfWidth1 / (width * width));
}

// Rows that are encoded together. On a CPU padding costs as much as sound; an accelerator takes all rows at once, and
// wrapped blocks run equally often whatever the batch.
std::vector<std::vector<int64_t>> groups_of(AudioEncoder& encoder, const EncoderInput& input) {
  if (!input.features_BT.is_cpu() || has_wrapped_block(encoder)) return {};
  const auto sizes = to_vector(input.sizes_BW.squeeze(1));
  const double frames = encoder.hz() * input.seconds_B.max().item<double>();
  const auto longest = static_cast<double>(std::ranges::max(sizes));
  std::vector<double> lengths;
  for (const int64_t size : sizes) lengths.push_back(frames * static_cast<double>(size) / longest);
  return length_groups(lengths, pass_overhead(encoder));
}

// Rows of `some` put in place of those of `all`, which becomes as wide as they are.
void put_rows(States& all, const States& some, const torch::Tensor& rows_R) {
  all.lengths_B.index_copy_(0, rows_R, some.lengths_B);
  for (size_t s = 0; s < all.states_BTD.size(); ++s) {
    torch::Tensor& x_BTD = all.states_BTD[s];
    const torch::Tensor& rows_RTD = some.states_BTD[s];
    if (const int64_t more = rows_RTD.size(1) - x_BTD.size(1); more > 0)
      x_BTD = torch::constant_pad_nd(x_BTD, {0, 0, 0, more});
    x_BTD.narrow(1, 0, rows_RTD.size(1))
        .index_copy_(0, to_device(rows_R, x_BTD.device()), rows_RTD.to(x_BTD.scalar_type()));
  }
}

// Room for as many rows, as wide as these.
States zeros_like(const States& some, int64_t rows) {
  States all{{}, torch::zeros({rows}, torch::kInt64)};
  for (const auto& x : some.states_BTD) all.states_BTD.push_back(x.new_zeros({rows, x.size(1), x.size(2)}));
  return all;
}

States encode_together(AudioEncoder& encoder, const EncoderInput& input, bool all_states) {
  auto output = encoder.forward(input.features_BT, input.steps_BW.squeeze(1), all_states);
  return {used_states(output, all_states), output.lengths_B};
}

States encode_rows(AudioEncoder& encoder, const EncoderInput& input, bool all_states) {
  if (input.steps_BW.size(1) > 1) return encode_windows(encoder, input, all_states);
  const auto groups = groups_of(encoder, input);
  if (groups.size() < 2) return encode_together(encoder, input, all_states);
  States all;
  // The longest first: what it gives is as wide as the whole.
  for (const auto& rows : std::views::reverse(groups)) {
    const auto rows_R = ids_tensor(rows);
    auto group = input.rows(rows_R);
    group.features_BT = group.features_BT.slice(1, 0, group.sizes_BW.max().item<int64_t>());
    const auto made = encode_together(encoder, group, all_states);
    if (all.states_BTD.empty()) all = zeros_like(made, input.features_BT.size(0));
    put_rows(all, made, rows_R);
  }
  return all;
}

// The samples that the cache has, and the others encoded, and kept.
States remember_or_encode(EncoderPart& part, const data::Batch& batch, FeatureCache& cache) {
  const torch::NoGradGuard no_grad;
  const c10::impl::ExcludeDispatchKeyGuard own_type(c10::autocast_dispatch_keyset);
  const auto& kept = batch.field("kept." + part.name);
  const auto rows_R = (kept.lengths_B == 0).nonzero().squeeze(1);
  const bool all_states = !part.mix.is_empty();
  States states;
  if (rows_R.size(0) < batch.size()) {
    for (const auto& state_BTD : kept.data.unbind(2))
      states.states_BTD.push_back(state_BTD.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/rows_R.size(0) > 0));
    states.lengths_B = kept.lengths_B.clone();
  }
  if (rows_R.size(0) == 0) return states;
  const bool is_all = rows_R.size(0) == batch.size();
  const auto input = input_of(batch, part.name);
  auto made = encode_rows(*part.encoder, is_all ? input : input.rows(rows_R), all_states);
  // As they will be read again: a resumed run, or one with another's cache, trains on the same values.
  if (cache.type() != torch::kFloat)
    for (auto& state_BTD : made.states_BTD) state_BTD = state_BTD.to(cache.type()).to(torch::kFloat);
  cache.keep(part.name, batch, rows_R, made.states_BTD, made.lengths_B);
  if (is_all) return made;
  put_rows(states, made, rows_R);
  return states;
}

}  // namespace

int64_t valid_steps(const AudioEncoder& encoder, const torch::Tensor& features, int64_t samples) {
  const auto spec = encoder.front_end();
  const auto* mel = std::get_if<WhisperMelSpec>(&spec);
  return mel && mel->thirty_seconds ? 2 * encoder.output_frames(samples) : features.size(0);
}

data::Example shared_fields(const data::Clip& clip, bool has_memory) {
  data::Example example;
  const auto windows = windows_of(clip);
  auto times_W3 = torch::zeros({std::ssize(windows), 3}, torch::kFloat64);
  for (size_t w = 0; w < windows.size(); ++w) {
    auto* row = times_W3.data_ptr<double>() + 3 * w;
    row[0] = windows[w]->start, row[1] = windows[w]->seconds, row[2] = first_moment(windows, w);
  }
  example["windows"] = times_W3;
  example["seconds"] = torch::tensor({clip.seconds}, torch::kFloat64);
  if (!has_memory) return example;
  const auto key = clip.key.value_or(data::ClipKey{});
  example["memory"] = ids_tensor({key[0], key[1], clip.is_truncated, clip.is_misdeclared, clip.is_windowed});
  return example;
}

data::Example encoder_fields(const EncoderPart& part, const data::Clip& clip,
                             std::optional<torch::ScalarType> kept_as) {
  data::Example example;
  const std::string& name = part.name;
  const auto recalled = clip.recalled.find(name);
  const bool is_recalled = recalled != clip.recalled.end();
  if (kept_as)
    example["kept." + name] =
        is_recalled ? recalled->second : torch::empty({0, part.states(), part.encoder->width()}, *kept_as);
  if (is_recalled) {
    example["audio." + name] = no_features(*part.encoder);
    example["steps." + name] = example["sizes." + name] = ids_tensor({0});
    return example;
  }
  std::vector<torch::Tensor> features;
  std::vector<int64_t> steps, sizes;
  for (const data::Clip* window : windows_of(clip)) {
    features.push_back(window->features.at(name));
    sizes.push_back(features.back().size(0));
    steps.push_back(valid_steps(*part.encoder, features.back(), window->samples.at(name)));
  }
  example["audio." + name] = features.size() == 1 ? features.front() : torch::cat(features);
  example["steps." + name] = ids_tensor(steps);
  example["sizes." + name] = ids_tensor(sizes);
  return example;
}

int64_t encoded_frames(const EncoderPart& part, const data::Clip& clip) {
  if (const auto found = clip.recalled.find(part.name); found != clip.recalled.end()) return found->second.size(0);
  const auto windows = windows_of(clip);
  int64_t total = 0;
  for (size_t w = 0; w < windows.size(); ++w) {
    const int64_t count = part.encoder->output_frames(windows[w]->samples.at(part.name));
    const Range kept =
        frames_between(*part.encoder, count, windows[w]->start, first_moment(windows, w), first_moment(windows, w + 1));
    total += kept.end - kept.begin;
  }
  return total;
}

Frames encode(EncoderPart& part, const data::Batch& batch, FeatureCache* cache) {
  States states;
  if (cache && cache->keeps(part.name)) {
    states = remember_or_encode(part, batch, *cache);
  } else {
    const torch::AutoGradMode mode(part.train != Train::kFrozen && torch::GradMode::is_enabled());
    states = encode_rows(*part.encoder, input_of(batch, part.name), !part.mix.is_empty());
  }
  // An encoder may be kept in a lower type; what follows it is in fp32.
  for (auto& state_BTD : states.states_BTD) state_BTD = state_BTD.to(torch::kFloat32);
  const auto x_BTD = part.mix.is_empty() ? states.states_BTD.front() : part.mix(states.states_BTD);
  return {x_BTD, states.lengths_B, part.encoder->hz()};
}

}  // namespace usam::recipes
