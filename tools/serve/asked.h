#pragma once
// What a request asks for, of whichever endpoint, and what it is answered.
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/json.h"
#include "src/decode/options.h"
#include "tools/serve/memory_file.h"

namespace usam::serve {

// What the server offers, for checks and defaults.
struct Offer {
  std::string model;            // its name
  std::set<std::string> tasks;  // that there are prompts for
  std::shared_ptr<const decode::Options> options;
  int64_t most_answers = 16;  // of one question
};

struct Asked {
  std::unique_ptr<MemoryFile> audio;
  std::string file_name;     // for messages
  std::string task, prompt;  // one of them at least; the prompt holds <audio> once
  std::shared_ptr<const decode::Options> options;
  bool is_streamed = false, explains = false;
  bool has_usage = false;       // a stream ends with the usage
  std::string format = "json";  // of a transcription
};

struct Told {
  std::vector<decode::Hypothesis> hypotheses;
  double seconds = 0;
  int64_t prompt_tokens = 0;
  Json explained;  // null unless asked for
};

// An endpoint: how its requests are read and its answers written. Requests that cannot be served throw ApiError.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual Asked read(const std::string& content_type, const std::string& body) const = 0;
  struct Text {
    std::string body, content_type;
  };
  virtual Text whole(const Asked& asked, const Told& told) const = 0;
  // The data of a stream's events, each a JSON text: the first, then for each piece of text, at the end.
  virtual std::vector<Json> begin() const = 0;
  virtual std::vector<Json> piece(const std::string& text) const = 0;
  virtual std::vector<Json> end(const Asked& asked, const Told& told) const = 0;
  virtual bool says_done() const = 0;  // "[DONE]" as the last event
};

// POST /v1/audio/transcriptions and POST /v1/chat/completions, one object a request: ids and times are its own. The
// offer outlives it.
std::unique_ptr<Endpoint> transcriptions(const Offer& offer);
std::unique_ptr<Endpoint> chat_completions(const Offer& offer);

// Shared by the endpoints.
void check_model(const std::string& model, const Offer& offer);
void check_task(const std::string& task, const Offer& offer);
// A prompt with the audio's place, which is first unless it says otherwise. ApiError where it holds several.
std::string with_audio(const std::string& prompt);

// What of the search a request changes.
struct SearchChange {
  std::optional<double> temperature, top_p, repetition_penalty;
  std::optional<int64_t> top_k, seed, max_tokens, answers;
  std::optional<std::vector<std::string>> stop;
};
// The default options where nothing is changed: questions that share them are computed together.
std::shared_ptr<const decode::Options> changed(const SearchChange& change, const Offer& offer);

}  // namespace usam::serve
