#include "tools/serve/service.h"

#include "recipes/recipe_registry.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/program.h"
#include "src/base/text.h"
#include "tools/serve/api_error.h"
#include "tools/serve/page.h"
#include "tools/serve/spectrogram.h"

namespace usam::serve {
namespace {

using httplib::Request;
using httplib::Response;
using std::chrono::milliseconds;

constexpr milliseconds kLook{100};       // how often a thread that waits looks after its client
constexpr int64_t kFormBytes = 1048576;  // of a body beside its audio
constexpr int64_t kLargeUploads = 8;     // so many of the largest size are held at a time

const std::map<std::string, std::string>& routes() {
  static const std::map<std::string, std::string> all = {{"/", "GET"},
                                                         {"/health", "GET"},
                                                         {"/metrics", "GET"},
                                                         {"/v1/models", "GET"},
                                                         {"/v1/audio/transcriptions", "POST"},
                                                         {"/v1/chat/completions", "POST"}};
  return all;
}

recipes::Answers& answers_of(Recipe& recipe, const std::string& type) {
  auto* answers = dynamic_cast<recipes::Answers*>(&recipe);
  if (!answers) user_error("The recipe '{}' gives no text, so that there is nothing to serve.", type);
  return *answers;
}

// Equal in a time that does not tell where they differ.
bool are_equal(const std::string& a, const std::string& b) {
  unsigned differences = a.size() != b.size();
  for (size_t i = 0; i < a.size() && !b.empty(); ++i) differences |= static_cast<unsigned>(a[i] ^ b[i % b.size()]);
  return differences == 0;
}

void send(Response& response, const ApiError& error) {
  response.status = error.status();
  if (error.status() == 429) response.set_header("Retry-After", "1");
  if (Connection::current().must_close) response.set_header("Connection", "close");
  response.set_content(to_line(error.to_json()), "application/json");
}

// What the library refuses by itself.
void explain_status(const Request&, Response& response) {
  if (!response.body.empty()) return;
  Connection::current().must_close = true;
  const std::string message = response.status == 414   ? "The address is longer than 8192 bytes."
                              : response.status == 413 ? "The body is too large."
                                                       : "This is not a request that can be understood.";
  response.set_content(to_line(ApiError(response.status, message).to_json()), "application/json");
}

// Of the first line: torch's errors carry more.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

ApiError to_api_error(const Turn& turn, const std::exception& e) {
  if (const auto* error = dynamic_cast<const ApiError*>(&e)) return *error;
  log::error("{}: {}", turn.name(), first_line(e.what()));
  return {500, fmt::format("The model failed: {}", first_line(e.what())), "", "model_failed"};
}

std::string event(const std::string& data) {
  return "data: " + data + "\n\n";
}

}  // namespace

Service::Service(Recipe& recipe, const recipes::RunConfig& config, torch::Device device, ServiceOptions options)
    : options_(std::move(options)),
      clips_(recipe, {.max_seconds = options_.most_seconds, .truncates = false, .augment = {}}),
      gate_(2 * options_.most_rows, options_.queue),
      loaders_(options_.threads),
      engine_(answers_of(recipe, config.recipe.type), clips_, device, options_.most_rows, counters_) {
  offer_.model = options_.model;
  offer_.tasks = recipes::recipe_registry().tasks(config.recipe);
  offer_.most_answers = options_.most_rows;
  if (const auto tasks = recipes::constrained_tasks(config.evaluate); !tasks.empty())
    log::warn("Answers to {} are free text here: evaluate.tasks holds for usam-eval.", join_words(tasks));
  offer_.options = std::make_shared<const decode::Options>(
      recipes::decoding_options(config.evaluate, answers_of(recipe, config.recipe.type)));
}

void Service::mount(HttpServer& server) {
  server.set_pre_routing_handler([this](const Request& request, Response& response) {
    try {
      require_route(request);
      return httplib::Server::HandlerResponse::Unhandled;
    } catch (const ApiError& error) {
      Connection::current().must_close = request.method != "GET";
      if (error.status() == 405) response.set_header("Allow", routes().at(request.path));
      send(response, error);
      return httplib::Server::HandlerResponse::Handled;
    }
  });
  server.set_error_handler(explain_status);
  server.Get("/", [](const Request&, Response& response) { response.set_content(page(), "text/html; charset=utf-8"); });
  server.Get("/health", [this](const Request&, Response& response) {
    response.status = is_stopping_ ? 503 : 200;
    response.set_content(to_line(health()), "application/json");
  });
  server.Get("/metrics", [this](const Request&, Response& response) {
    response.set_content(counters_.text(gate_.waiting()), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/v1/models", [this](const Request&, Response& response) {
    response.set_content(to_line(models()), "application/json");
  });
  const auto post = [&](const char* path, MakeEndpoint make) {
    server.Post(path, [this, make](const Request& request, Response& response, const httplib::ContentReader& reader) {
      answer(make, request, response, reader);
    });
  };
  post("/v1/audio/transcriptions", transcriptions);
  post("/v1/chat/completions", chat_completions);
}

// Before a byte of a body is read.
void Service::require_route(const Request& request) const {
  const auto found = routes().find(request.path);
  if (found == routes().end()) {
    throw ApiError(404, fmt::format("There is nothing at {}.", request.path.substr(0, 100)), "", "not_found");
  }
  const bool is_right = request.method == found->second || (request.method == "HEAD" && found->second == "GET");
  if (!is_right) throw ApiError(405, fmt::format("{} takes {}, not {}.", request.path, found->second, request.method));
  const bool is_open = request.path == "/" || request.path == "/health";
  if (options_.api_key.empty() || is_open) return;
  if (!are_equal(request.get_header_value("Authorization"), "Bearer " + options_.api_key))
    throw ApiError(401, "The header 'Authorization: Bearer KEY' is missing or holds another key than --api-key.", "",
                   "invalid_api_key");
}

Json Service::health() const {
  return {{"status", is_stopping_ ? "stopping" : "ok"},
          {"model", offer_.model},
          {"tasks", offer_.tasks},
          {"max_upload_bytes", options_.most_upload_bytes},
          {"max_seconds", options_.most_seconds},
          {"needs_key", !options_.api_key.empty()},
          {"version", version()}};
}

Json Service::models() const {
  const Json model = {
      {"id", offer_.model}, {"object", "model"}, {"created", 0}, {"owned_by", "usam"}, {"tasks", offer_.tasks}};
  return {{"object", "list"}, {"data", Json::array({model})}};
}

void Service::answer(const MakeEndpoint& make, const Request& request, Response& response,
                     const httplib::ContentReader& reader) {
  const auto turn = std::make_shared<Turn>(counters_, Connection::current(), request.path,
                                           std::chrono::duration<double>(options_.timeout));
  try {
    if (is_stopping_) {
      turn->client().must_close = true;
      throw ApiError(503, "The server is about to stop.", "", "stopping");
    }
    const auto type = request.get_header_value("X-Body-Type");
    const bool is_json = type.starts_with("application/json");
    const auto bytes = options_.most_upload_bytes;
    turn->endpoint = make(offer_);
    turn->asked = turn->endpoint->read(
        type,
        turn->read_body(request, reader, {(is_json ? bytes / 3 * 4 : bytes) + kFormBytes, kLargeUploads * 3 * bytes},
                        is_json ? 3 : 2));
    ask(*turn);
    if (!turn->asked.is_streamed) {
      const auto text = turn->endpoint->whole(turn->asked, wait_for(*turn));
      response.set_content(text.body, text.content_type);
      return;
    }
    response.set_header("Cache-Control", "no-cache");
    response.set_chunked_content_provider(
        "text/event-stream", [this, turn](size_t, httplib::DataSink& sink) { return stream(*turn, sink); });
  } catch (const ClientGone&) {
    turn->status = 499;  // nobody reads it
    turn->client().must_close = true;
    response.status = 400;
  } catch (const std::exception& e) {
    const auto error = to_api_error(*turn, e);
    turn->status = error.status();
    send(response, error);
  }
}

data::Row Service::row_of(const Turn& turn) const {
  data::Row row;
  row.key = turn.asked.file_name;
  row.audios = {{.path = turn.asked.audio->path()}};
  row.task = turn.asked.task;
  row.prompt = turn.asked.prompt;
  return row;
}

// Has the audio loaded when it is its turn, and hands it to the model.
void Service::ask(Turn& turn) {
  Question question{turn.asked.file_name, {}, turn.asked.options, turn.asked.is_streamed, nullptr};
  question.place = gate_.enter([&turn] { turn.check(); });
  const auto row = row_of(turn);
  try {
    auto loaded = loaders_.submit([&] { return clips_.load(row); }).get();
    turn.seconds = loaded.seconds;
    question.example = std::move(loaded.example);
  } catch (const UserError& e) {
    std::string reason = e.what();
    if (reason.starts_with(row.audio().path)) reason = reason.substr(row.audio().path.size());
    bad_request("file", "The audio '{}'{}.", turn.asked.file_name, reason);
  }
  if (!turn.asked.explains) {
    turn.asked.audio.reset();
    turn.release();
  }
  turn.check();
  turn.ticket = engine_.ask(std::move(question));
}

Told Service::wait_for(Turn& turn) {
  while (!turn.ticket->wait(kLook).is_over) turn.check();
  Told told{turn.ticket->hypotheses(), turn.seconds, turn.ticket->prompt_tokens(), nullptr};
  if (turn.asked.explains) told.explained = explain(turn, told.hypotheses.front().text);
  return told;
}

// What the frames that the model keeps are guided by is its own answer.
Json Service::explain(Turn& turn, const std::string& answer) {
  auto row = row_of(turn);
  row.references = {answer};
  auto loaded = loaders_.submit([&] { return clips_.load(row); }).get();
  auto explained = engine_.explain(std::move(loaded.example)).get();
  explained["spectrogram"] = spectrogram(row.audio().path, options_.most_seconds);
  turn.asked.audio.reset();
  turn.release();
  return explained;
}

bool Service::stream(Turn& turn, httplib::DataSink& sink) {
  const auto send_all = [&](const std::vector<Json>& events) {
    for (const auto& one : events) {
      const auto text = event(to_line(one));
      if (!sink.write(text.data(), text.size())) throw ClientGone();
    }
  };
  try {
    if (!turn.has_begun) send_all(turn.endpoint->begin());
    turn.has_begun = true;
    const auto news = turn.ticket->wait(kLook);
    if (!news.text.empty()) send_all(turn.endpoint->piece(news.text));
    if (!news.is_over) {
      turn.check();
      return true;
    }
    send_all(turn.endpoint->end(turn.asked, wait_for(turn)));
    if (turn.endpoint->says_done()) {
      const auto text = event("[DONE]");
      sink.write(text.data(), text.size());
    }
  } catch (const ClientGone&) {
    turn.status = 499;
    turn.client().must_close = true;
    return false;
  } catch (const std::exception& e) {
    const auto error = to_api_error(turn, e);
    turn.status = error.status();
    const auto text = event(to_line(error.to_json()));
    sink.write(text.data(), text.size());
  }
  sink.done();
  return true;
}

}  // namespace usam::serve
