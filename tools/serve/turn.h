#pragma once
// One request on its way through the service.
#include <memory>
#include <string>

#include "tools/serve/asked.h"
#include "tools/serve/counters.h"
#include "tools/serve/engine.h"
#include "tools/serve/http_server.h"

namespace usam::serve {

// The client hung up: there is nobody to answer.
class ClientGone : public std::exception {};

// Limits on the bodies of requests, of one and of all that are under way.
struct BodyLimits {
  int64_t one = 0, all = 0;
};

class Turn {
 public:
  // Counts as under way as long as it lives; then `counters` get its figures.
  Turn(Counters& counters, Connection& client, std::string endpoint, std::chrono::duration<double> limit);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // Throws ClientGone, or ApiError 504 after the time limit.
  void check() const;
  // The whole body. ApiError: 413 too large, 429 all bodies together are, 400 it did not come in full. `factor`: copies
  // of a body that reading it makes, held until release().
  std::string read_body(const httplib::Request& request, const httplib::ContentReader& reader, BodyLimits limits,
                        int64_t factor);
  void release();
  Connection& client() const { return client_; }
  const std::string& name() const { return name_; }

  std::unique_ptr<Endpoint> endpoint;
  Asked asked;
  std::shared_ptr<Ticket> ticket;
  double seconds = 0;  // of audio
  int status = 200;
  bool has_begun = false;  // its stream

 private:
  bool hold(int64_t bytes, int64_t most);

  Counters& counters_;
  Connection& client_;
  const std::string name_;
  const std::chrono::duration<double> limit_;
  const Clock::time_point begin_ = Clock::now();
  int64_t held_ = 0;
};

}  // namespace usam::serve
