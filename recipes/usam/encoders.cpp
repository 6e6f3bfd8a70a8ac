#include "recipes/usam/encoders.h"

#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "recipes/usam/encoder_pass.h"
#include "recipes/usam/work_shares.h"
#include "src/tensor/parallel.h"

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

torch::Tensor no_features(const AudioEncoder& encoder) {
  const auto spec = encoder.front_end();
  if (const auto* mel = std::get_if<WhisperMelSpec>(&spec)) return torch::empty({0, mel->mels});
  if (std::holds_alternative<CedMelSpec>(spec)) return torch::empty({0, 64});
  return torch::empty({0});
}

// What threads lose by waiting for each other at the end of each operator: of a pass, on two cores.
constexpr double kWaiting = 0.1;

// Encodes the groups of all passes, each in one thread, where the threads can be kept busy so.
void encode_side_by_side(std::vector<EncoderPass>& passes) {
  const int64_t threads = at::get_num_threads();
  if (threads == 1 || at::in_parallel_region() || !std::ranges::all_of(passes, &EncoderPass::is_free)) return;
  std::vector<WorkShare> shares;
  double one_by_one = 0;
  for (size_t p = 0; p < passes.size(); ++p)
    for (auto& windows : passes[p].groups()) {
      const double fixed = passes[p].overhead(), shared = passes[p].cost(windows) - fixed;
      one_by_one += fixed + (1 + kWaiting) * shared / static_cast<double>(threads);
      shares.push_back({p, std::move(windows)});
    }
  shares = even_shares(std::move(shares), threads, one_by_one,
                       [&](const WorkShare& share) { return passes[share.kind].cost(share.items); });
  if (shares.size() < 2) return;
  std::vector<std::vector<EncoderPass::Windows>> groups(passes.size());
  std::vector<std::pair<EncoderPass*, size_t>> work;
  for (WorkShare& share : shares) {
    work.emplace_back(&passes[share.kind], groups[share.kind].size());
    groups[share.kind].push_back(std::move(share.items));
  }
  for (size_t p = 0; p < passes.size(); ++p) passes[p].regroup(std::move(groups[p]));
  std::atomic<size_t> next = 0;
  const at::ThreadLocalState callers;
  parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    const at::ThreadLocalStateGuard as_the_caller(callers);
    for (size_t i; (i = next.fetch_add(1)) < work.size();) work[i].first->encode(work[i].second);
  });
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
    const FrameRange kept =
        frames_between(*part.encoder, count, windows[w]->start, first_moment(windows, w), first_moment(windows, w + 1));
    total += kept.end - kept.begin;
  }
  return total;
}

std::vector<Frames> encode(std::span<EncoderPart> parts, const data::Batch& batch, FeatureCache* cache) {
  std::vector<EncoderPass> passes;
  for (EncoderPart& part : parts) passes.emplace_back(part, batch, cache);
  encode_side_by_side(passes);
  std::vector<Frames> streams;
  for (EncoderPass& pass : passes) streams.push_back(pass.frames());
  return streams;
}

}  // namespace usam::recipes
