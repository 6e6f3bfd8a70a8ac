// B rows, H query heads, G key/value heads, S keys, K head width.
#include "src/nn/one_query_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
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

// A head's scores of kKeys keys from `key` on.
template <int64_t kKeys>
USAM_INLINE inline void score_keys(const GroupOfHeads& g, const float* query, const float* key, float* scores) {
  Float16Lanes sums[kKeys] = {};
  for (int64_t channel = 0; channel < g.width; channel += kLanes) {
    const int64_t count = std::min(kLanes, g.width - channel);
    Float16Lanes by, of;
    read_lanes(query + channel, count, by);
    for (int64_t k = 0; k < kKeys; ++k) {
      read_lanes(key + k * g.key_stride + channel, count, of);
      sums[k] += by * of;
    }
  }
  for (int64_t k = 0; k < kKeys; ++k) scores[k] = g.scale * sum_of(sums[k]);
}

USAM_INLINE inline void score(const GroupOfHeads& g) {
  constexpr int64_t kKeys = 4;  // stay in the first cache while every head reads them
  int64_t at = 0;
  for (const auto* run = g.begin; run != g.end; ++run) {
    int64_t s = run->begin;
    for (; s + kKeys <= run->end; s += kKeys, at += kKeys)
      for (int64_t h = 0; h < g.heads; ++h)
        score_keys<kKeys>(g, g.queries + h * g.width, g.keys + s * g.key_stride, g.scores + h * g.seen + at);
    for (; s < run->end; ++s, ++at)
      for (int64_t h = 0; h < g.heads; ++h)
        score_keys<1>(g, g.queries + h * g.width, g.keys + s * g.key_stride, g.scores + h * g.seen + at);
  }
}

USAM_INLINE inline void softmax(float* scores, int64_t count) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < count; ++i) largest = scores[i] > largest ? scores[i] : largest;
  for (int64_t i = 0; i < count; ++i) scores[i] = fast_exp(scores[i] - largest);
  Float16Lanes parts = {};
  float sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) parts += *reinterpret_cast<const Float16Lanes*>(scores + i);
  for (; i < count; ++i) sum += scores[i];
  const float share = 1 / (sum + sum_of(parts));
  for (i = 0; i < count; ++i) scores[i] *= share;
}

// Of kHeads heads the mean of the values, `count` channels from `channel` on; the sums stay in registers.
template <int64_t kHeads>
USAM_INLINE inline void mix_lanes(const GroupOfHeads& g, int64_t head, int64_t channel, int64_t count) {
  Float16Lanes sums[kHeads] = {};
  int64_t at = head * g.seen;
  for (const auto* run = g.begin; run != g.end; ++run) {
    for (int64_t s = run->begin; s < run->end; ++s, ++at) {
      Float16Lanes value;
      read_lanes(g.values + s * g.value_stride + channel, count, value);
      for (int64_t h = 0; h < kHeads; ++h) sums[h] += g.scores[at + h * g.seen] * value;
    }
  }
  for (int64_t h = 0; h < kHeads; ++h)
    std::memcpy(g.out + (head + h) * g.width + channel, &sums[h], static_cast<size_t>(count) * sizeof(float));
}

USAM_INLINE inline void mix(const GroupOfHeads& g) {
  for (int64_t channel = 0; channel < g.width; channel += kLanes) {
    const int64_t count = std::min(kLanes, g.width - channel);
    int64_t head = 0;
    for (; head + 4 <= g.heads; head += 4) mix_lanes<4>(g, head, channel, count);
    for (; head + 2 <= g.heads; head += 2) mix_lanes<2>(g, head, channel, count);
    for (; head < g.heads; ++head) mix_lanes<1>(g, head, channel, count);
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
