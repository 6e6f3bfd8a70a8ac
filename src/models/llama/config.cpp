#include "src/models/llama/config.h"

#include <vector>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/text.h"

namespace usam::llama {
namespace {

std::string missing_for_random(const Config& c) {
  std::vector<std::string> missing;
  if (!c.layers) missing.push_back("layers");
  if (!c.hidden) missing.push_back("hidden");
  if (!c.heads) missing.push_back("heads");
  if (!c.intermediate) missing.push_back("intermediate");
  return missing.empty() ? "" : "'init: random' needs " + join_words(missing) + " too";
}

std::string bad_heads(const Config& c) {
  if (!c.heads || *c.heads < 1) return "";
  if (c.kv_heads && *c.kv_heads > 0 && *c.heads % *c.kv_heads != 0)
    return fmt::format("'heads' ({}) must be a multiple of 'kv_heads' ({})", *c.heads, *c.kv_heads);
  if (!c.hidden || c.head_dim) return "";
  if (*c.hidden % (2 * *c.heads) != 0)
    return fmt::format("'hidden' ({}) must be an even multiple of 'heads' ({}), or 'head_dim' be given", *c.hidden,
                       *c.heads);
  return "";
}

std::string problem_of(const Config& c) {
  if (auto problem = source_problem(c, "a language model"); !problem.empty() || !c.is_random()) return problem;
  if (c.head_dim && *c.head_dim % 2 != 0)
    return fmt::format("'head_dim' ({}) must be even: the rotary embedding turns pairs of channels", *c.head_dim);
  auto missing = missing_for_random(c);
  return missing.empty() ? bad_heads(c) : missing;
}

// What the config says otherwise than the folder.
class Disagreements {
 public:
  template <class T>
  void compare(const char* key, const std::optional<T>& asked, const T& found) {
    if (asked && *asked != found) found_.push_back(fmt::format("'{}' is {} (there {})", key, *asked, found));
  }
  void refuse(const std::string& folder) const {
    if (!found_.empty())
      user_error("The config contradicts {}/config.json: {}; leave these keys out, or give the folder they belong to",
                 folder, join_words(found_));
  }

 private:
  std::vector<std::string> found_;
};

Sizes random_sizes(const Config& c, const Family& family, int64_t vocab_size) {
  if (auto problem = problem_of(c); !problem.empty()) user_error("{}", problem);
  if (vocab_size < 1) user_error("'init: random' needs a tokenizer: its size is the model's vocabulary");
  Sizes s;
  s.vocab = vocab_size;
  s.layers = *c.layers, s.hidden = *c.hidden, s.heads = *c.heads, s.intermediate = *c.intermediate;
  s.kv_heads = c.kv_heads.value_or(s.heads);
  s.head_dim = c.head_dim.value_or(s.hidden / s.heads);
  s.rope_theta = c.rope_theta.value_or(10000);
  s.norm_eps = c.norm_eps.value_or(family.default_norm_eps);
  s.is_tied = c.tied.value_or(false);
  s.has_qkv_bias = family.has_qkv_bias;
  return s;
}

}  // namespace

void describe(Fields& f, Config& c) {
  describe_source(f, c);
  f("layers", c.layers, "number of transformer blocks").at_least(1);
  f("hidden", c.hidden, "width of the residual stream").at_least(2);
  f("heads", c.heads, "query heads of a block").at_least(1);
  f("kv_heads", c.kv_heads, "key and value heads of a block; default: as many as query heads").at_least(1);
  f("head_dim", c.head_dim, "width of a head; default: hidden / heads").at_least(2);
  f("intermediate", c.intermediate, "width of the feed-forward layer").at_least(1);
  f("rope_theta", c.rope_theta, "base of the rotary embedding; default 10000").more_than(0);
  f("norm_eps", c.norm_eps, "epsilon of the RMS norms; default: the family's").more_than(0);
  f("tied", c.tied, "the output projection is the embedding; default false");
  f.rule([&c] { return problem_of(c); });
}

Sizes resolve_sizes(const Config& c, const Family& family, int64_t vocab_size) {
  if (c.is_random()) return random_sizes(c, family, vocab_size);
  Sizes s = read_sizes(c.path.value, family);
  Disagreements d;
  d.compare("layers", c.layers, s.layers);
  d.compare("hidden", c.hidden, s.hidden);
  d.compare("heads", c.heads, s.heads);
  d.compare("kv_heads", c.kv_heads, s.kv_heads);
  d.compare("head_dim", c.head_dim, s.head_dim);
  d.compare("intermediate", c.intermediate, s.intermediate);
  d.compare("rope_theta", c.rope_theta, s.rope_theta);
  d.compare("norm_eps", c.norm_eps, s.norm_eps);
  d.compare("tied", c.tied, s.is_tied);
  d.refuse(c.path.value);
  if (vocab_size > s.vocab)
    log::warn("the tokenizer has {} tokens but {}/config.json a vocabulary of {}: texts with the ids from {} on fail",
              vocab_size, c.path.value, s.vocab, s.vocab);
  return s;
}

}  // namespace usam::llama
