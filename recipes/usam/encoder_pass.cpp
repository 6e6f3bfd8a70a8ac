#include "recipes/usam/encoder_pass.h"

#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <ranges>

#include "recipes/usam/feature_cache.h"
#include "recipes/usam/length_groups.h"
#include "recipes/usam/sequence.h"
#include "src/tensor/block.h"

namespace usam::recipes {
namespace {

// The states that are used: all of them, or the last.
std::vector<torch::Tensor> used_states(EncoderOutput& output, bool all_states) {
  if (all_states) return std::move(output.states_BTD);
  return {output.last().x_BTD};
}

// What a pass costs however short it is, in output frames: the overhead of its operators, some 150 us a layer, and that
// of products of few rows.
double overhead_in_frames(const AudioEncoder& encoder) {
  constexpr double kFramesOfWidth1 = 2e6, kFewest = 4;
  const auto width = static_cast<double>(encoder.width());
  return std::max(kFewest, kFramesOfWidth1 / (width * width));
}

// What a cache keeps is computed in the weights' own type.
class OwnType {
 public:
  explicit OwnType(bool on) {
    if (on) guard_.emplace(c10::autocast_dispatch_keyset);
  }

 private:
  std::optional<c10::impl::ExcludeDispatchKeyGuard> guard_;
};

}  // namespace

FrameRange frames_between(const AudioEncoder& encoder, int64_t count, double start, double from, double until) {
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

EncoderPass::EncoderPass(EncoderPart& part, const data::Batch& batch, FeatureCache* cache)
    : part_(&part),
      batch_(&batch),
      cache_(cache && cache->keeps(part.name) ? cache : nullptr),
      needs_graph_(!cache_ && part.train != Train::kFrozen && torch::GradMode::is_enabled()) {
  rows_R_ = cache_ ? (batch.field("kept." + part.name).lengths_B == 0).nonzero().squeeze(1)
                   : torch::arange(batch.size(), torch::kInt64);
  if (rows_R_.size(0) == 0) return;
  read_input();
  list_windows();
  regroup(is_plain_ ? groups_by_length() : groups_in_order());
}

void EncoderPass::read_input() {
  const auto rows_of = [&](const torch::Tensor& x) {
    return rows_R_.size(0) == batch_->size() ? x : x.index_select(0, to_device(rows_R_, x.device()));
  };
  features_BT_ = rows_of(batch_->field("audio." + part_->name).data);
  steps_BW_ = rows_of(batch_->field("steps." + part_->name).data);
  sizes_BW_ = rows_of(batch_->field("sizes." + part_->name).data);
  windows_BW3_ = rows_of(batch_->field("windows").data);
  seconds_B_ = rows_of(batch_->field("seconds").data).squeeze(1);
  is_plain_ = steps_BW_.size(1) == 1;
}

void EncoderPass::list_windows() {
  const auto steps = steps_BW_.accessor<int64_t, 2>(), sizes = sizes_BW_.accessor<int64_t, 2>();
  const auto times = windows_BW3_.accessor<double, 3>();
  double all_seconds = 0, all_steps = 0;
  for (int64_t b = 0; b < steps.size(0); ++b) {
    int64_t begin = 0;
    for (int64_t w = 0; w < steps.size(1) && sizes[b][w] > 0; ++w) {
      if (w > 0) windows_.back().until = times[b][w][2];
      windows_.push_back({b, begin, sizes[b][w], steps[b][w], times[b][w][0], times[b][w][1], times[b][w][2]});
      begin += sizes[b][w];
      all_seconds += times[b][w][1], all_steps += static_cast<double>(steps[b][w]);
    }
  }
  frames_a_step_ = part_->encoder->hz() * all_seconds / all_steps;
  for (const auto& weight : part_->encoder->parameters()) weights_ += static_cast<double>(weight.numel());
}

// An accelerator takes all rows at once, and wrapped blocks run equally often whatever the batch. The longest come
// first.
std::vector<EncoderPass::Windows> EncoderPass::groups_by_length() {
  Windows all(windows_.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  if (!features_BT_.is_cpu() || has_wrapped_block(*part_->encoder)) return {all};
  std::vector<double> lengths;
  for (const Window& window : windows_) lengths.push_back(frames_a_step_ * static_cast<double>(window.size));
  auto groups = length_groups(lengths, overhead_in_frames(*part_->encoder));
  std::ranges::reverse(groups);
  return groups;
}

// As many as take, padded, no more seconds than the batch's clips.
std::vector<EncoderPass::Windows> EncoderPass::groups_in_order() const {
  const double budget = static_cast<double>(seconds_B_.size(0)) * seconds_B_.max().item<double>();
  std::vector<Windows> groups;
  double longest = 0;
  for (int64_t w = 0; w < std::ssize(windows_); ++w) {
    const double seconds = windows_[static_cast<size_t>(w)].seconds;
    const double of_group = groups.empty() ? 0 : static_cast<double>(groups.back().size() + 1);
    if (groups.empty() || std::max(longest, seconds) * of_group > budget) groups.emplace_back(), longest = 0;
    groups.back().push_back(w);
    longest = std::max(longest, seconds);
  }
  return groups;
}

std::vector<EncoderPass::Windows> EncoderPass::groups() const {
  std::vector<Windows> all;
  for (const Group& group : groups_) all.push_back(group.windows);
  return all;
}

void EncoderPass::regroup(std::vector<Windows> groups) {
  groups_.clear();
  for (Windows& windows : groups) groups_.push_back({std::move(windows), {}});
}

bool EncoderPass::is_free() const {
  return groups_.empty() || (!needs_graph_ && features_BT_.is_cpu() && !has_wrapped_block(*part_->encoder));
}

double EncoderPass::cost(const Windows& windows) const {
  int64_t longest = 0;
  for (const int64_t w : windows) longest = std::max(longest, windows_[static_cast<size_t>(w)].size);
  return overhead() + weights_ * frames_a_step_ * static_cast<double>(longest * std::ssize(windows));
}

double EncoderPass::overhead() const {
  return weights_ * overhead_in_frames(*part_->encoder);
}

void EncoderPass::encode(size_t index) {
  const torch::AutoGradMode mode(needs_graph_);
  const OwnType own_type(cache_ != nullptr);
  Group& group = groups_[index];
  torch::Tensor features_NT, steps_N;
  if (is_whole_batch(group)) {
    features_NT = features_BT_, steps_N = steps_BW_.squeeze(1);
  } else {
    std::vector<torch::Tensor> features;
    std::vector<int64_t> steps;
    for (const int64_t w : group.windows) {
      const Window& window = windows_[static_cast<size_t>(w)];
      features.push_back(features_BT_[window.row].slice(0, window.begin, window.begin + window.size));
      steps.push_back(window.steps);
    }
    features_NT = torch::nn::utils::rnn::pad_sequence(features, /*batch_first=*/true), steps_N = ids_tensor(steps);
  }
  const bool all_states = !part_->mix.is_empty();
  auto output = part_->encoder->forward(features_NT, steps_N, all_states);
  group.made = {used_states(output, all_states), output.lengths_B};
}

// The windows' frames row by row. A group's states go as they are taken over.
EncoderPass::States EncoderPass::stitched() {
  if (groups_.size() == 1 && is_whole_batch(groups_.front())) return std::move(groups_.front().made);
  struct Place {
    Group* group = nullptr;
    int64_t row = 0;
    FrameRange kept;
  };
  std::vector<Place> places(windows_.size());
  for (Group& group : groups_)
    for (int64_t n = 0; n < std::ssize(group.windows); ++n) {
      const auto w = static_cast<size_t>(group.windows[static_cast<size_t>(n)]);
      const Window& window = windows_[w];
      const auto count = group.made.lengths_B[n].item<int64_t>();
      places[w] = {&group, n, frames_between(*part_->encoder, count, window.start, window.from, window.until)};
    }
  std::vector<int64_t> lengths(static_cast<size_t>(rows_R_.size(0)), 0);
  for (size_t w = 0; w < windows_.size(); ++w)
    lengths[static_cast<size_t>(windows_[w].row)] += places[w].kept.end - places[w].kept.begin;
  States all{{}, ids_tensor(lengths)};
  for (size_t s = 0; s < places.front().group->made.states_BTD.size(); ++s) {
    std::vector<std::vector<torch::Tensor>> pieces(lengths.size());
    for (size_t w = 0; w < windows_.size(); ++w)
      pieces[static_cast<size_t>(windows_[w].row)].push_back(
          places[w].group->made.states_BTD[s][places[w].row].slice(0, places[w].kept.begin, places[w].kept.end));
    std::vector<torch::Tensor> rows;
    for (const auto& of_row : pieces) rows.push_back(of_row.size() == 1 ? of_row.front() : torch::cat(of_row));
    all.states_BTD.push_back(torch::nn::utils::rnn::pad_sequence(rows, /*batch_first=*/true));
    for (Group& group : groups_) group.made.states_BTD[s].reset();
  }
  return all;
}

// Rows of `some` put in place of those of `all`, which becomes as wide as they are.
void EncoderPass::put_rows(States& all, const States& some, const torch::Tensor& rows_R) {
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

// The samples that the cache has, and those made, which it keeps.
EncoderPass::States EncoderPass::with_remembered(States made) {
  const auto& kept = batch_->field("kept." + part_->name);
  const bool has_made = rows_R_.size(0) > 0;
  if (has_made) {
    // As they will be read again: a resumed run, or one with another's cache, trains on the same values.
    if (cache_->type() != torch::kFloat)
      for (auto& state_BTD : made.states_BTD) state_BTD = state_BTD.to(cache_->type()).to(torch::kFloat);
    cache_->keep(part_->name, *batch_, rows_R_, made.states_BTD, made.lengths_B);
    if (rows_R_.size(0) == batch_->size()) return made;
  }
  States all{{}, kept.lengths_B.clone()};
  for (const auto& state_BTD : kept.data.unbind(2))
    all.states_BTD.push_back(state_BTD.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/has_made));
  if (has_made) put_rows(all, made, rows_R_);
  return all;
}

Frames EncoderPass::frames() {
  for (size_t g = 0; g < groups_.size(); ++g)
    if (groups_[g].made.states_BTD.empty()) encode(g);
  States states;
  {
    const torch::AutoGradMode mode(needs_graph_);
    const OwnType own_type(cache_ != nullptr);
    if (!groups_.empty()) states = stitched();
    if (cache_) states = with_remembered(std::move(states));
  }
  // An encoder may be kept in a lower type; what follows it is in fp32.
  for (auto& state_BTD : states.states_BTD) state_BTD = state_BTD.to(torch::kFloat32);
  const auto x_BTD = part_->mix.is_empty() ? states.states_BTD.front() : part_->mix(states.states_BTD);
  return {x_BTD, states.lengths_B, part_->encoder->hz()};
}

}  // namespace usam::recipes
