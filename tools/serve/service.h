#pragma once
// What the server does with requests: reads them within limits, has their audio loaded, asks the model, answers.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "recipes/run.h"
#include "src/base/thread.h"
#include "tools/serve/asked.h"
#include "tools/serve/engine.h"
#include "tools/serve/gate.h"
#include "tools/serve/http_server.h"
#include "tools/serve/turn.h"

namespace usam::serve {

struct ServiceOptions {
  std::string model, api_key;  // its name; "": none is asked for
  int64_t most_upload_bytes = 25 * 1048576;
  double most_seconds = 30;
  int64_t most_rows = 16, queue = 256;
  double timeout = 300;  // seconds from a request's first byte to the end of its answer
  int64_t threads = 4;   // that load audio
};

class Service {
 public:
  // UserError: the recipe gives no text; options.most_seconds above what a stream takes. The recipe outlives it.
  Service(Recipe& recipe, const recipes::RunConfig& config, torch::Device device, ServiceOptions options);

  void mount(HttpServer& server);
  // Clients' threads that the server needs: for all that run and wait, and some to refuse and to tell the state.
  int64_t threads() const { return options_.queue + 3 * options_.most_rows + 16; }
  // From now on new questions are refused.
  void stop() { is_stopping_ = true; }
  bool is_idle() const { return counters_.under_way == 0; }

 private:
  using MakeEndpoint = std::unique_ptr<Endpoint> (*)(const Offer&);

  void require_route(const httplib::Request& request) const;
  void answer(const MakeEndpoint& make, const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader& reader);
  void ask(Turn& turn);
  Told wait_for(Turn& turn);
  // Sends what is new; false at the stream's end.
  bool stream(Turn& turn, httplib::DataSink& sink);
  Json explain(Turn& turn, const std::string& answer);
  data::Row row_of(const Turn& turn) const;
  Json health() const;
  Json models() const;

  ServiceOptions options_;
  Offer offer_;
  Clips clips_;
  Counters counters_;
  std::atomic<bool> is_stopping_ = false;
  Gate gate_;
  ThreadPool loaders_;
  Engine engine_;
};

}  // namespace usam::serve
