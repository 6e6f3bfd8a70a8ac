#include "recipes/usam/feature_cache.h"

#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "src/base/hash.h"
#include "src/base/json.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/tensor/dtype.h"

namespace usam::recipes {
namespace {

constexpr int kFormat = 1;  // of entries and their keys
constexpr int64_t kShardBytes = int64_t{128} << 20;

torch::ScalarType type_of(CacheType type) {
  if (type == CacheType::kFloat16) return torch::kHalf;
  return type == CacheType::kBFloat16 ? torch::kBFloat16 : torch::kFloat;
}

// Of all values of a module: weights from a folder, laid over, or random.
std::string hash_of(const torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  Sha256 hash;
  for (const auto& values : {module.named_parameters(), module.named_buffers()}) {
    for (const auto& item : values) {
      const auto value = item.value().detach().to(torch::kCPU).contiguous();
      const std::string facts =
          fmt::format("{} {} {}\n", item.key(), dtype_name(value.scalar_type()), fmt::join(value.sizes(), "x"));
      hash.add(facts.data(), facts.size());
      if (value.numel() > 0) hash.add(value.const_data_ptr(), value.nbytes());
    }
  }
  return hash.hex();
}

std::string text_of(const FrontEndSpec& spec) {
  if (const auto* mel = std::get_if<WhisperMelSpec>(&spec))
    return fmt::format("whisper {} {} {}", mel->sample_rate, mel->mels, mel->thirty_seconds);
  if (const auto* mel = std::get_if<CedMelSpec>(&spec)) return fmt::format("ced {}", mel->sample_rate);
  const auto& wave = std::get<WaveSpec>(spec);
  return fmt::format("wave {} {}", wave.sample_rate, wave.normalize);
}

// An encoder's config without the place of its weights, whose values are hashed.
std::string text_of(const Part& part) {
  ConfigNode printed = print_part(part);
  std::erase_if(printed.entries, [](const auto& entry) { return entry.key == "path"; });
  return to_flow_yaml(printed);
}

// What the frames of an encoder depend on, beside the clip.
std::string identity(const EncoderPart& part, const Part& config, torch::ScalarType type, double min_seconds) {
  const Json json = {{"format", kFormat},
                     {"values", hash_of(*part.encoder)},
                     {"encoder", text_of(config)},
                     {"front end", text_of(part.encoder->front_end())},
                     {"states", part.states()},
                     {"type", dtype_name(type)},
                     {"least samples", part.encoder->min_samples()},
                     {"least seconds", min_seconds}};
  return sha256_text(json.dump());
}

std::string name_of(const data::ClipKey& key) {
  return fmt::format("{:016x}{:016x}", static_cast<uint64_t>(key[0]), static_cast<uint64_t>(key[1]));
}

// Nothing where there is no such file: reading it will say so.
std::optional<data::ClipKey> key_of(const data::Row& row, const std::string& how) {
  const data::AudioRef& audio = row.audio();
  struct stat file{};
  if (stat(audio.path.c_str(), &file) != 0) return std::nullopt;
  const std::string text = fmt::format("{}\n{} {}.{:09}\n{} {} {}\n{} {:a} {:a}\n{}", row.key, file.st_size,
                                       file.st_mtim.tv_sec, file.st_mtim.tv_nsec, audio.member, audio.begin,
                                       audio.bytes, audio.is_part, audio.offset, row.seconds, how);
  const std::string hash = sha256_text(text);
  return data::ClipKey{static_cast<int64_t>(std::stoull(hash.substr(0, 16), nullptr, 16)),
                       static_cast<int64_t>(std::stoull(hash.substr(16, 16), nullptr, 16))};
}

// What an entry says of its clip beside the frames.
std::string note_of(double seconds, const int64_t* memory) {
  return Json({seconds, memory[2], memory[3], memory[4]}).dump();
}
void read_note(const std::string& note, data::Clip& clip) {
  const Json json = Json::parse(note);
  clip.seconds = json.at(0).get<double>();
  clip.is_truncated = json.at(1).get<int>() != 0;
  clip.is_misdeclared = json.at(2).get<int>() != 0;
  clip.is_windowed = json.at(3).get<int>() != 0;
}

// Of the encoders that a config's cache keeps.
std::set<std::string> names_of(const UsamConfig& config) {
  if (config.cache->encoders) return {config.cache->encoders->begin(), config.cache->encoders->end()};
  std::set<std::string> names;
  for (const auto& [name, slot] : config.encoders)
    if (slot.train == Train::kFrozen) names.insert(name);
  return names;
}

}  // namespace

FeatureCache::FeatureCache(const UsamConfig& config, std::vector<EncoderPart> encoders, double min_seconds)
    : config_(config),
      encoders_(std::move(encoders)),
      min_seconds_(min_seconds),
      names_(names_of(config)),
      type_(type_of(config.cache->dtype)) {}

void FeatureCache::open(const EncoderPart& part) {
  const auto& config = std::ranges::find(config_.encoders, part.name, [](const auto& s) { return s.first; })->second;
  const std::string id = identity(part, config.part, type_, min_seconds_);
  const std::string folder = fmt::format("{}/{}-{}", config_.cache->dir.value, config.part.type, id.substr(0, 16));
  auto& store = stores_[part.name] = std::make_unique<io::TensorStore>(folder, id, kShardBytes);
  const double an_hour = 3600 * part.encoder->hz() * static_cast<double>(part.states() * part.encoder->width()) *
                         static_cast<double>(c10::elementSize(type_));
  log::info("recipe.cache: {}: {:.1f} MB an hour of audio ({} x {} values at {:.4g} Hz, {}); {} holds {} clips, {}",
            part.name, an_hour / 1e6, part.states(), part.encoder->width(), part.encoder->hz(), dtype_name(type_),
            folder, store->size(), human_bytes(store->bytes()));
}

void FeatureCache::begin_pass() {
  std::call_once(open_once_, [this] {
    for (const auto& part : encoders_)
      if (keeps(part.name)) open(part);
  });
  for (auto& [name, store] : stores_) store->refresh();
}

bool FeatureCache::recall(const data::Row& row, const std::string& how, data::Clip& clip) const {
  clip.key = key_of(row, how);
  if (!clip.key) return false;
  const std::string name = name_of(*clip.key);
  for (const auto& [encoder, store] : stores_) {
    auto found = store->find(name);
    if (!found) continue;
    read_note(found->note, clip);
    clip.recalled[encoder] = std::move(found->tensor);
  }
  return clip.recalled.size() == encoders_.size();
}

std::string FeatureCache::summary() const {
  int64_t bytes = 0;
  for (const auto& [name, store] : stores_) bytes += store->bytes();
  return fmt::format("recipe.cache holds {} for these encoders in {}", human_bytes(bytes), config_.cache->dir.value);
}

void FeatureCache::keep(const std::string& encoder, const data::Batch& batch, const torch::Tensor& rows_R,
                        const std::vector<torch::Tensor>& states_RTD, const torch::Tensor& lengths_R) {
  const auto &memory_B5 = batch.field("memory").data, &seconds_B1 = batch.field("seconds").data;
  for (int64_t r = 0; r < rows_R.size(0); ++r) {
    const auto b = rows_R[r].item<int64_t>();
    const auto* memory = memory_B5.const_data_ptr<int64_t>() + b * memory_B5.size(1);
    if (memory[0] == 0 && memory[1] == 0) continue;  // of no row: a clip that was made up
    std::vector<torch::Tensor> frames_S;
    for (const auto& state_RTD : states_RTD) frames_S.push_back(state_RTD[r].slice(0, 0, lengths_R[r].item<int64_t>()));
    stores_.at(encoder)->put(name_of({memory[0], memory[1]}),
                             {torch::stack(frames_S, 1).to(type_), note_of(seconds_B1[b].item<double>(), memory)});
  }
}

}  // namespace usam::recipes
