#pragma once
#include <torch/torch.h>

#include <memory>
#include <vector>

namespace usam {

// Keys and values of every layer for incremental decoding. Opaque to callers; rows can be selected or repeated.
class KvCache {
 public:
  virtual ~KvCache() = default;
  virtual int64_t length() const = 0;                         // positions stored, padding included
  virtual void reserve(int64_t positions) = 0;                // a hint: so many are expected in all
  virtual void select_rows(const torch::Tensor& rows_B) = 0;  // keeps, reorders or repeats rows (int64 indices)
  // The same of a copy: this cache stays as it is, later steps of neither are seen by the other.
  virtual std::unique_ptr<KvCache> copy_rows(const torch::Tensor& rows_B) const = 0;
  // The rows of another cache of the same model become the last ones, however many positions they hold.
  virtual void append_rows(const KvCache& other) = 0;
};

// A causal transformer without its sampling: ids -> embeddings -> hidden states -> logits. Heads, losses and search
// live outside. B rows, T positions, D width, V vocabulary, N positions of several sequences.
class LanguageModel : public torch::nn::Module {
 public:
  virtual torch::Tensor embed(const torch::Tensor& ids) = 0;  // (...) int64 -> (..., D)
  // embeds (B, T, D); positions (B, T) int64 for the rotary embedding; segments (B, T) int64: 0 is padding, equal
  // numbers attend to each other causally. With a cache the T new positions follow those stored (the cache remembers
  // their segments). Returns hidden states (B, T, D) after the final norm; those of padding are unspecified but finite.
  virtual torch::Tensor forward(const torch::Tensor& embeds_BTD, const torch::Tensor& positions_BT,
                                const torch::Tensor& segments_BT, KvCache* cache = nullptr) = 0;
  // Sequences behind each other without padding: embeds (N, D) of all their positions, `lengths` of each. Each is
  // computed as in a row of its own, and is one in a cache, which held nothing. Returns hidden states (N, D).
  virtual torch::Tensor forward_packed(const torch::Tensor& embeds_ND, const std::vector<int64_t>& lengths,
                                       KvCache* cache = nullptr) = 0;
  virtual torch::Tensor logits(const torch::Tensor& hidden) = 0;  // (..., D) -> (..., V)
  virtual std::unique_ptr<KvCache> make_cache() const = 0;
  virtual int64_t width() const = 0;
  virtual int64_t vocab_size() const = 0;
  // Where the output projection is the embedding: makes it a parameter of its own, lm_head.weight, of the same values.
  virtual void untie() {}
};

}  // namespace usam
