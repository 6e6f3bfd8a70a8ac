// B rows, H query heads, G key/value heads, S keys, K head width.
#include "src/nn/one_query_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "src/nn/cpu_kernel.h"
#include "src/nn/fast_exp.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

constexpr int64_t kGrainOfKeys = 1 << 14;  // values of keys that are worth a thread

// What the heads of one group read and write: the row's seen keys, and scores of them one head after the other.
struct GroupOfHeads {
  const float *queries, *keys, *values;  // the group's first ones
  float *scores, *out;                   // (heads, seen), (heads, width)
  const SeenKeys::Run *begin, *end;
  int64_t heads, width, seen, key_stride, value_stride;
  float scale;
};

USAM_INLINE inline void score(const GroupOfHeads& g) {
  int64_t at = 0;
  for (const auto* run = g.begin; run != g.end; ++run)
    for (int64_t s = run->begin; s < run->end; ++s, ++at)
      for (int64_t h = 0; h < g.heads; ++h)
        g.scores[h * g.seen + at] = g.scale * dot(g.queries + h * g.width, g.keys + s * g.key_stride, g.width);
}

USAM_INLINE inline void softmax(float* scores, int64_t count) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < count; ++i) largest = scores[i] > largest ? scores[i] : largest;
  for (int64_t i = 0; i < count; ++i) scores[i] = fast_exp(scores[i] - largest);
  float parts[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) parts[j] += scores[i + j];
  for (; i < count; ++i) sum += scores[i];
  for (const float part : parts) sum += part;
  const float share = 1 / sum;
  for (i = 0; i < count; ++i) scores[i] *= share;
}

USAM_INLINE inline void mix(const GroupOfHeads& g) {
  std::fill_n(g.out, g.heads * g.width, 0.0f);
  int64_t at = 0;
  for (const auto* run = g.begin; run != g.end; ++run) {
    for (int64_t s = run->begin; s < run->end; ++s, ++at) {
      const float* value = g.values + s * g.value_stride;
      for (int64_t h = 0; h < g.heads; ++h) {
        const float share = g.scores[h * g.seen + at];
        float* __restrict out = g.out + h * g.width;
        for (int64_t i = 0; i < g.width; ++i) out[i] += share * value[i];
      }
    }
  }
}

// Appends the runs of one row.
void add_runs(std::span<const int64_t> segments, std::optional<int64_t> window, SeenKeys& seen) {
  const int64_t own = segments.back();
  int64_t left = window.value_or(std::ssize(segments)), count = 0;
  std::vector<SeenKeys::Run> backwards;
  for (int64_t s = std::ssize(segments) - 1; s >= 0 && left > 0; --s) {
    if (segments[static_cast<size_t>(s)] != own) continue;
    if (backwards.empty() || backwards.back().begin != s + 1) backwards.push_back({s, s + 1});
    backwards.back().begin = s;
    --left, ++count;
  }
  seen.runs.insert(seen.runs.end(), backwards.rbegin(), backwards.rend());
  seen.first_of_rows.push_back(seen.runs.size());
  seen.most = std::max(seen.most, count);
}

}  // namespace

SeenKeys seen_keys(const torch::Tensor& segments_BS, std::optional<int64_t> window) {
  const auto segments = segments_BS.contiguous();
  const auto keys = segments.size(1);
  SeenKeys seen{{}, {0}, keys, 0};
  for (int64_t b = 0; b < segments.size(0); ++b)
    add_runs({segments.const_data_ptr<int64_t>() + b * keys, static_cast<size_t>(keys)}, window, seen);
  return seen;
}

torch::Tensor mask_of(const SeenKeys& seen) {
  const auto rows = std::ssize(seen.first_of_rows) - 1;
  auto mask_BS = torch::zeros({rows, seen.keys}, torch::kBool);
  for (int64_t b = 0; b < rows; ++b) {
    const auto row = static_cast<size_t>(b);
    for (size_t r = seen.first_of_rows[row]; r < seen.first_of_rows[row + 1]; ++r)
      mask_BS[b].slice(0, seen.runs[r].begin, seen.runs[r].end).fill_(true);
  }
  return mask_BS.view({rows, 1, 1, seen.keys});
}

bool can_attend_one_query(const torch::Tensor& queries_BH1K, const torch::Tensor& keys_BGSK,
                          const torch::Tensor& values_BGSK) {
  const auto fits = [](const torch::Tensor& x) {
    return x.is_cpu() && x.scalar_type() == torch::kFloat && x.stride(3) == 1;
  };
  return !makes_graph(queries_BH1K, keys_BGSK, values_BGSK) && fits(queries_BH1K) && fits(keys_BGSK) &&
         fits(values_BGSK);
}

torch::Tensor one_query_attention(const torch::Tensor& queries_BH1K, const torch::Tensor& keys_BGSK,
                                  const torch::Tensor& values_BGSK, const SeenKeys& seen) {
  const int64_t rows = queries_BH1K.size(0), all_heads = queries_BH1K.size(1), width = queries_BH1K.size(3);
  const int64_t groups = keys_BGSK.size(1), heads = all_heads / groups;
  const auto queries = queries_BH1K.contiguous();
  auto out_B1D = torch::empty({rows, 1, all_heads * width}, queries.options());
  const float *first_query = queries.const_data_ptr<float>(), *first_key = keys_BGSK.const_data_ptr<float>(),
              *first_value = values_BGSK.const_data_ptr<float>();
  float* first_out = out_B1D.data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, kGrainOfKeys / std::max<int64_t>(1, seen.most * width));
  parallel_for(0, rows * groups, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> scores(static_cast<size_t>(heads * seen.most));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / groups, group = i % groups;
      const auto row = static_cast<size_t>(b);
      GroupOfHeads g{.queries = first_query + i * heads * width,
                     .keys = first_key + b * keys_BGSK.stride(0) + group * keys_BGSK.stride(1),
                     .values = first_value + b * values_BGSK.stride(0) + group * values_BGSK.stride(1),
                     .scores = scores.data(),
                     .out = first_out + i * heads * width,
                     .begin = seen.runs.data() + seen.first_of_rows[row],
                     .end = seen.runs.data() + seen.first_of_rows[row + 1],
                     .heads = heads,
                     .width = width,
                     .seen = 0,
                     .key_stride = keys_BGSK.stride(2),
                     .value_stride = values_BGSK.stride(2),
                     .scale = 1 / std::sqrt(static_cast<float>(width))};
      for (const auto* run = g.begin; run != g.end; ++run) g.seen += run->end - run->begin;
      widest([&]() USAM_INLINE {
        score(g);
        for (int64_t h = 0; h < heads; ++h) softmax(g.scores + h * g.seen, g.seen);
        mix(g);
      });
    }
  });
  return out_B1D;
}

}  // namespace usam::nn
