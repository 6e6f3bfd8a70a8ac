#include "src/text/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "src/text/json_node.h"
#include "src/text/split_pattern.h"

namespace usam::text {
namespace {

constexpr int kMaxDepth = 32;

// Takes the vocabulary and the merges, which are nearly all of the file, out of the parser's hands one by one.
class ModelListener {
 public:
  ModelListener(BpeSpec& model, const std::string& origin) : model_(model), origin_(origin) {}

  using Event = nlohmann::json::parse_event_t;
  bool operator()(int depth, Event event, const nlohmann::json& value) {
    if (depth > kMaxDepth) user_error("{}: the file is nested more than {} levels deep.", origin_, kMaxDepth);
    if (event == Event::key && depth <= 2) {
      (depth == 1 ? outer_ : inner_) = value.get_ref<const std::string&>();
      if (depth == 1) inner_.clear();
      return true;
    }
    if (outer_ != "model" || depth < 2 || (inner_ != "vocab" && inner_ != "merges")) return true;
    return inner_ == "vocab" ? on_vocab(depth, event, value) : on_merges(depth, event, value);
  }

  bool saw_vocab = false, saw_merges = false;

 private:
  bool on_vocab(int depth, Event event, const nlohmann::json& value) {
    if (depth == 2) {
      saw_vocab = saw_vocab || event == Event::object_start;
      return true;
    }
    if (!saw_vocab) return false;  // the list of a Unigram model: refused by its type
    if (event == Event::key) {
      token_ = value.get_ref<const std::string&>();
    } else if (event == Event::value && value.is_number_unsigned()) {
      model_.vocab.emplace_back(std::move(token_),
                                static_cast<int64_t>(std::min(value.get<uint64_t>(), uint64_t{INT64_MAX})));
    } else {
      user_error("{}: 'model.vocab' must map every token to its id; '{}' has none.", origin_, shown(token_));
    }
    return false;
  }

  bool on_merges(int depth, Event event, const nlohmann::json& value) {
    if (depth == 2) {
      saw_merges = saw_merges || event == Event::array_start;
      return true;
    }
    if (depth > 3 || event == Event::array_start) return true;
    const size_t rank = model_.merges.size();
    if (event == Event::array_end && value.size() == 2 && value[0].is_string() && value[1].is_string()) {
      model_.merges.emplace_back(value[0].get<std::string>(), value[1].get<std::string>());
      return false;
    }
    if (event == Event::value && value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
        model_.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
        return false;
      }
    }
    user_error(R"({}: 'model.merges[{}]' must be two tokens, ["a", "b"] or "a b".)", origin_, rank);
  }

  BpeSpec& model_;
  const std::string& origin_;
  std::string outer_, inner_, token_;
};

void read_normalizer(const JsonNode& node, std::vector<NormalizerStep>& steps) {
  using Kind = NormalizerStep::Kind;
  if (node.is_null()) return;
  const std::string type = node.type();
  if (type == "Sequence") {
    node.only({"normalizers"});
    for (const JsonNode& part : node.list("normalizers")) read_normalizer(part, steps);
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    node.only({});
    steps.push_back({type == "NFC"    ? Kind::kNfc
                     : type == "NFD"  ? Kind::kNfd
                     : type == "NFKC" ? Kind::kNfkc
                                      : Kind::kNfkd,
                     "", ""});
  } else if (type == "Prepend") {
    node.only({"prepend"});
    steps.push_back({Kind::kPrepend, "", node.text("prepend")});
  } else if (type == "Replace") {
    node.only({"pattern", "content"});
    const std::string from = node.child("pattern").literal();
    steps.push_back({Kind::kReplace, from, node.text("content")});
  } else {
    node.refuse_type(type, "NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence");
  }
}

SplitBehavior behavior_of(const JsonNode& node) {
  const std::string name = node.text("behavior");
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  node.child("behavior").refuse("Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

PreTokenizerStep split_step(SplitStep::Kind kind, std::string pattern, SplitBehavior behavior) {
  PreTokenizerStep step;
  step.split = {kind, std::move(pattern), behavior, false};
  return step;
}

PreTokenizerStep split_of(const JsonNode& node) {
  node.only({"pattern", "behavior", "invert"});
  const JsonNode pattern = node.child("pattern");
  const bool is_regex = pattern.has("Regex");
  auto step = split_step(is_regex ? SplitStep::Kind::kRegex : SplitStep::Kind::kLiteral,
                         is_regex ? pattern.text("Regex") : pattern.literal(), behavior_of(node));
  step.split.invert = node.flag("invert", false);
  if (is_regex) {
    try {
      make_split_pattern(step.split);
    } catch (const UserError& e) {
      pattern.refuse_because(e.what());
    }
  }
  return step;
}

void read_metaspace(const JsonNode& node, std::vector<PreTokenizerStep>& steps) {
  node.only({"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"});
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::kMetaspace;
  step.replacement = node.text("replacement");
  if (step.replacement.empty()) node.child("replacement").refuse("one character");
  if (node.has("prepend_scheme")) {
    const std::string scheme = node.text("prepend_scheme");
    if (scheme != "always" && scheme != "first" && scheme != "never")
      node.child("prepend_scheme").refuse("always, first, never");
    step.scheme = scheme == "always"  ? PrependScheme::kAlways
                  : scheme == "first" ? PrependScheme::kFirst
                                      : PrependScheme::kNever;
  } else if (!node.flag("add_prefix_space", true)) {
    step.scheme = PrependScheme::kNever;
  }
  steps.push_back(step);
  if (node.flag("split", true))
    steps.push_back(split_step(SplitStep::Kind::kLiteral, step.replacement, SplitBehavior::kMergedWithNext));
}

void read_pre_tokenizer(const JsonNode& node, TokenizerSpec& spec) {
  if (node.is_null()) return;
  const std::string type = node.type();
  auto& steps = spec.pre_tokenizer;
  if (spec.byte_level) node.refuse_because("nothing may come after the pre-tokenizer ByteLevel");
  if (type == "Sequence") {
    node.only({"pretokenizers"});
    for (const JsonNode& part : node.list("pretokenizers")) read_pre_tokenizer(part, spec);
  } else if (type == "Split") {
    steps.push_back(split_of(node));
  } else if (type == "Digits") {
    node.only({"individual_digits"});
    steps.push_back(
        split_step(SplitStep::Kind::kDigits, "",
                   node.flag("individual_digits", false) ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  } else if (type == "ByteLevel") {
    node.only({"add_prefix_space", "trim_offsets", "use_regex"});
    PreTokenizerStep prefix;
    prefix.kind = PreTokenizerStep::Kind::kSpacePrefix;
    if (node.flag("add_prefix_space", true)) steps.push_back(prefix);
    if (node.flag("use_regex", true))
      steps.push_back(split_step(SplitStep::Kind::kRegex, std::string(kGpt2Split), SplitBehavior::kIsolated));
    spec.byte_level = true;
  } else if (type == "Metaspace") {
    read_metaspace(node, steps);
  } else {
    node.refuse_type(type, "ByteLevel, Digits, Metaspace, Sequence, Split");
  }
}

void read_decoder(const JsonNode& node, std::vector<DecoderStep>& steps) {
  using Kind = DecoderStep::Kind;
  const std::string type = node.type();
  if (type == "Sequence") {
    node.only({"decoders"});
    for (const JsonNode& part : node.list("decoders")) read_decoder(part, steps);
  } else if (type == "ByteLevel") {
    node.only({"add_prefix_space", "trim_offsets", "use_regex"});
    steps.push_back({Kind::kByteLevel, "", "", 0, 0});
  } else if (type == "ByteFallback" || type == "Fuse") {
    node.only({});
    steps.push_back({type == "Fuse" ? Kind::kFuse : Kind::kByteFallback, "", "", 0, 0});
  } else if (type == "Replace") {
    node.only({"pattern", "content"});
    const std::string from = node.child("pattern").literal();
    steps.push_back({Kind::kReplace, from, node.text("content"), 0, 0});
  } else if (type == "Strip") {
    node.only({"content", "start", "stop"});
    steps.push_back({Kind::kStrip, node.text("content"), "", node.count("start"), node.count("stop")});
    if (steps.back().from.empty()) node.child("content").refuse("one character");
  } else {
    node.refuse_type(type, "ByteFallback, ByteLevel, Fuse, Replace, Sequence, Strip");
  }
}

// Post-processors add tokens around a whole text, which encode() leaves to its callers; the first token is kept as a
// hint at the beginning-of-text token.
void read_post_processor(const JsonNode& node, std::optional<std::string>& first_token) {
  if (node.is_null()) return;
  const std::string type = node.type();
  if (type == "Sequence") {
    node.only({"processors"});
    for (const JsonNode& part : node.list("processors")) read_post_processor(part, first_token);
  } else if (type == "TemplateProcessing") {
    node.only({"single", "pair", "special_tokens"});
    const auto pieces = node.list("single");
    if (!pieces.empty() && pieces.front().has("SpecialToken"))
      first_token = pieces.front().child("SpecialToken").text("id");
  } else if (type != "ByteLevel") {
    node.refuse_type(type, "ByteLevel, Sequence, TemplateProcessing");
  }
}

void read_model(const JsonNode& node, const ModelListener& listener, BpeSpec& model) {
  const std::string type = node.has("type") ? node.text("type") : listener.saw_merges ? "BPE" : "";
  if (type != "BPE") node.refuse_type(type, "BPE");
  node.only({"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
             "ignore_merges", "vocab", "merges"});
  if (!listener.saw_vocab) node.child("vocab").mistake("an object from tokens to ids");
  if (!listener.saw_merges) node.child("merges").mistake("a list of pairs of tokens");
  if (node.has("dropout") && !node.child("dropout").is_zero()) node.child("dropout").refuse("null");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (node.has(key) && !node.text(key).empty()) node.child(key).refuse("null");
  if (node.has("unk_token")) model.unknown = node.text("unk_token");
  model.fuse_unknown = node.flag("fuse_unk", false);
  model.byte_fallback = node.flag("byte_fallback", false);
  model.ignore_merges = node.flag("ignore_merges", false);
}

std::vector<AddedToken> read_added(const JsonNode& root) {
  std::vector<AddedToken> added;
  if (!root.has("added_tokens")) return added;
  for (const JsonNode& node : root.list("added_tokens")) {
    node.only({"id", "content", "special", "single_word", "lstrip", "rstrip", "normalized"});
    AddedToken token{node.text("content"),          node.count("id"),
                     node.flag("special", false),   node.flag("single_word", false),
                     node.flag("lstrip", false),    node.flag("rstrip", false),
                     node.flag("normalized", false)};
    if (token.content.empty()) node.child("content").mistake("a text");
    added.push_back(std::move(token));
  }
  return added;
}

}  // namespace

TokenizerSpec parse_tokenizer_json(std::string_view content, const std::string& origin) {
  TokenizerSpec spec;
  ModelListener listener(spec.model, origin);
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(content.begin(), content.end(),
                                 [&listener](int depth, ModelListener::Event event, nlohmann::json& value) {
                                   return listener(depth, event, value);
                                 });
  } catch (const nlohmann::json::exception& e) {
    user_error("{}: the file is not valid JSON: {}", origin, shown(e.what()));
  }
  const JsonNode root(json, "", origin);
  root.expect_object();
  if (root.has("version") && root.text("version") != "1.0") root.child("version").refuse("1.0");
  read_model(root.child("model"), listener, spec.model);
  spec.added = read_added(root);
  read_normalizer(root.child("normalizer"), spec.normalizer);
  read_pre_tokenizer(root.child("pre_tokenizer"), spec);
  read_post_processor(root.child("post_processor"), spec.first_token);
  read_decoder(root.child("decoder"), spec.decoder);
  return spec;
}

}  // namespace usam::text
