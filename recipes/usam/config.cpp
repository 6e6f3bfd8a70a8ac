#include "recipes/usam/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "recipes/usam/prompts.h"
#include "src/models/model_registry.h"
#include "src/nn/bridge_registry.h"

namespace usam::recipes {
namespace {

const std::vector<std::pair<std::string, Train>> kTrainNames = {
    {"frozen", Train::kFrozen}, {"lora", Train::kLora}, {"full", Train::kFull}};

// Small steps are lost in a lower type.
std::string dtype_problem(const Part& part, Train train) {
  if (train != Train::kFull || part.empty()) return "";
  const ConfigNode printed = print_part(part);
  const auto* dtype = printed.find("dtype");
  if (dtype && dtype->value.text != "float32") return "'train: full' needs 'dtype: float32'";
  const auto* store = printed.find("store");
  if (store && store->value.text != "dtype")
    return fmt::format("'store: {}' keeps weights that are not trained; 'train: full' needs 'store: dtype'",
                       store->value.text);
  return "";
}

std::string cache_problem(const UsamConfig& c) {
  bool has_frozen = false;
  for (const auto& [name, slot] : c.encoders) has_frozen |= slot.train == Train::kFrozen;
  if (!c.cache->encoders && !has_frozen) return "'recipe.cache' has nothing to keep: no encoder is frozen";
  if (!c.cache->encoders) return "";
  if (c.cache->encoders->empty()) return "'recipe.cache.encoders' names no encoder: remove the key or 'recipe.cache'";
  for (const auto& name : *c.cache->encoders) {
    const auto slot = std::ranges::find(c.encoders, name, [](const auto& s) { return s.first; });
    if (slot == c.encoders.end())
      return fmt::format("'recipe.cache.encoders' names '{}', which is none of the encoders", name);
    if (slot->second.train != Train::kFrozen)
      return fmt::format(
          "'recipe.cache' keeps what frozen encoders make, but '{}' is trained: freeze it, or leave it out of "
          "'recipe.cache.encoders'",
          name);
  }
  return "";
}

// The value of a part's key, defaults included; null where it has none.
ConfigNode value_of(const Part& part, const std::string& key) {
  const ConfigNode printed = print_part(part);
  const auto* found = printed.find(key);
  return found ? found->value : ConfigNode();
}

// A window of less than four time steps cuts through those whose four bands are frames that follow each other.
std::string window_problem(const UsamConfig& c, const EncoderSlot& reference) {
  const std::string window = value_of(c.bridge, "window").text;
  if (value_of(reference.part, "bands").text != "interleave" || window.empty()) return "";
  const int64_t frames = std::stoll(window);
  if (frames >= 16 || frames % 4 == 0) return "";
  return fmt::format(
      "'recipe.bridge.window' is {}, but the frames of '{}' stand in fours, the bands of one time step: below 16 give "
      "a multiple of 4, or give the encoder 'bands: fold'.",
      frames, c.fusion.reference);
}

constexpr auto kNameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

std::string problem_of(const UsamConfig& c) {
  if (c.encoders.empty()) return "'recipe.encoders' names no encoder; give at least one.";
  for (const auto& [name, slot] : c.encoders)
    if (name.empty() || name.find_first_not_of(kNameLetters) != std::string::npos)
      return fmt::format(
          "'recipe.encoders' names '{}', but names are parts of parameter paths: use letters, digits, '_' and '-'.",
          name);
  if (!c.fusion.hz) {
    const auto reference =
        std::ranges::find(c.encoders, c.fusion.reference, [](const auto& slot) { return slot.first; });
    if (reference == c.encoders.end())
      return fmt::format(
          "'recipe.fusion.reference' is '{}', which is none of the encoders; name one of them or give 'hz'.",
          c.fusion.reference);
    if (const std::string problem = window_problem(c, reference->second); !problem.empty()) return problem;
  }
  for (const auto& [task, prompt] : c.prompts) {
    const std::string problem = prompt_problem(prompt);
    if (!problem.empty()) return fmt::format("'recipe.prompts.{}' {}", task, problem);
  }
  if (c.loss.balance.weight.value_or(0) > 0 && value_of(c.projector, "top_k").is_null())
    return "'recipe.loss.balance.weight' draws experts level where few of them run: give 'recipe.projector.top_k' too.";
  if (!value_of(c.bridge, "prune").is_null() && !c.loss.saclm)
    return "'recipe.bridge.prune' chooses audio tokens by the contrastive loss's scores; give 'recipe.loss.saclm' too.";
  return c.cache ? cache_problem(c) : "";
}

}  // namespace

void describe(Fields& f, EncoderSlot& c) {
  f.choice("train", c.train, kTrainNames, "what is trained: nothing, low-rank updates, or all of it");
  f("lora", c.lora, "the low-rank updates of `train: lora`");
  f.choice("states", c.states, {{"default", LayerUse::kDefault}, {"last", LayerUse::kLast}, {"mix", LayerUse::kMix}},
           "hidden states that become the stream: the last, or a learned mix of all (the default of mert)");
  f.inline_part(c.part, encoder_registry().choices(), "the encoder");
  f.rule([&c] { return dtype_problem(c.part, c.train); });
}

void describe(Fields& f, FusionConfig& c) {
  f("reference", c.reference, "encoder whose frames are the common time grid");
  f("hz", c.hz, "frames a second of the common time grid, instead of a reference").more_than(0);
}

void describe(Fields& f, LlmSlot& c) {
  f.choice("train", c.train, kTrainNames, "what is trained: nothing, low-rank updates, or all of it");
  f("lora", c.lora, "the low-rank updates of `train: lora`");
  f("tokenizer", c.tokenizer, "tokenizer of the language model");
  f.inline_part(c.part, language_model_registry().choices(), "the language model");
  f.rule([&c] { return dtype_problem(c.part, c.train); });
}

void describe(Fields& f, LossConfig& c) {
  f("ce", c.ce, "cross-entropy of the target text");
  f("saclm", c.saclm, "semantic-aware contrastive loss; null: none");
  f("balance", c.balance, "load balance of a sparse projector");
}

void describe(Fields& f, CacheConfig& c) {
  f("encoders", c.encoders, "encoders whose outputs are kept; null: all that are frozen");
  f("dir", c.dir, "folder, which runs may share; made where it is absent").required().relative_to_cwd();
  f.choice("dtype", c.dtype,
           {{"fp32", CacheType::kFloat32}, {"fp16", CacheType::kFloat16}, {"bf16", CacheType::kBFloat16}},
           "type in which they are kept");
}

void describe(Fields& f, UsamConfig& c) {
  f("encoders", c.encoders, "audio encoders by name; their streams are fused").required();
  f("fusion", c.fusion, "common time grid of the streams");
  f.part("bridge", c.bridge, nn::bridge_registry().choices(), "shortens the fused frames to audio tokens",
         "window_qformer");
  f.part("projector", c.projector, nn::projector_registry().choices(), "brings audio tokens to the language model",
         "moe");
  f("llm", c.llm, "the language model").required();
  f("prompts", c.prompts, "prompt of each task, with one <audio>; tasks not named have the built-in ones");
  f("chat", c.chat, "chat template of the language model, around every prompt");
  f("shuffle_tags", c.shuffle_tags, "training targets list a row's tags in an order drawn for each epoch");
  f("loss", c.loss, "terms of the loss");
  f("cache", c.cache, "frozen encoders' outputs are kept on disk and read back; null: none").resumable();
  f("freeze", c.freeze, "patterns of parameter paths that are not trained, whatever else is said");
  f.rule([&c] { return problem_of(c); });
}

const std::map<std::string, std::string>& default_prompts() {
  static const std::map<std::string, std::string> prompts = {
      {"AAC", "Describe the detail of this audio:<audio>\n---\nDetailed: "},
      {"ASR", "Transcribe this audio:<audio>\n---\nTranscription: "},
      {"S2TT", "Translate this audio into Chinese text: <audio>\n---\nTranslation:"},
      {"MC", "Provide a short description of this music: <audio>\n---\nDescription: "},
      {"SEC", "What sound is this?<audio>\n---\nSound: "},
  };
  return prompts;
}

std::set<std::string> known_tasks(const UsamConfig& config) {
  std::set<std::string> tasks;
  for (const auto* prompts : {&config.prompts, &default_prompts()}) {
    for (const auto& entry : *prompts) tasks.insert(entry.first);
  }
  return tasks;
}

}  // namespace usam::recipes
