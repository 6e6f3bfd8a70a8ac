#pragma once
// The `recipe:` map of a U-SAM config.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "losses/cross_entropy.h"
#include "losses/load_balance.h"
#include "losses/saclm_config.h"
#include "src/base/config.h"
#include "src/nn/lora.h"
#include "src/text/chat_template.h"
#include "src/text/tokenizer_config.h"

namespace usam::recipes {

enum class Train { kFrozen, kLora, kFull };
// Which hidden states of an encoder become its stream: the last one, or all, combined by a learned 1 x 1 convolution.
enum class LayerUse { kDefault, kLast, kMix };

struct EncoderSlot {
  Part part;
  Train train = Train::kFrozen;
  nn::LoraConfig lora;
  LayerUse states = LayerUse::kDefault;
};

struct FusionConfig {
  std::string reference = "ced";  // the stream whose frames are the common time grid
  std::optional<double> hz;       // a fixed rate instead
};

struct LlmSlot {
  Part part;
  Train train = Train::kFrozen;
  nn::LoraConfig lora;
  TokenizerConfig tokenizer;
};

struct LossConfig {
  losses::CrossEntropyConfig ce;
  std::optional<losses::SaclmConfig> saclm;  // null: none
  losses::LoadBalanceConfig balance;
};

enum class CacheType { kFloat32, kFloat16, kBFloat16 };

// What frozen encoders make of clips is kept on disk.
struct CacheConfig {
  std::optional<std::vector<std::string>> encoders;  // none given: all that are frozen
  Path dir;
  CacheType dtype = CacheType::kFloat32;
};

struct UsamConfig {
  std::vector<std::pair<std::string, EncoderSlot>> encoders;  // in the order written
  FusionConfig fusion;
  Part bridge, projector;
  LlmSlot llm;
  std::map<std::string, std::string> prompts;  // task -> text around one <audio>
  ChatConfig chat;                             // what goes around the prompts
  bool shuffle_tags = true;                    // training targets list a row's tags in an order drawn per epoch
  LossConfig loss;
  std::optional<CacheConfig> cache;
  std::vector<std::string> freeze;  // patterns of parameter paths that are left as they are
};

void describe(Fields& f, EncoderSlot& c);
void describe(Fields& f, FusionConfig& c);
void describe(Fields& f, LlmSlot& c);
void describe(Fields& f, LossConfig& c);
void describe(Fields& f, CacheConfig& c);
void describe(Fields& f, UsamConfig& c);

// The published prompts and that of SEC (docs/model.md), used for tasks that a config does not name.
const std::map<std::string, std::string>& default_prompts();
// Tasks that have a prompt, built-in ones included.
std::set<std::string> known_tasks(const UsamConfig& config);

}  // namespace usam::recipes
