#include "tools/serve/turn.h"

#include "src/base/text.h"
#include "tools/serve/api_error.h"

namespace usam::serve {

Turn::Turn(Counters& counters, Connection& client, std::string endpoint, std::chrono::duration<double> limit)
    : counters_(counters), client_(client), name_(std::move(endpoint)), limit_(limit) {
  ++counters_.under_way;
}

Turn::~Turn() {
  if (ticket) ticket->give_up();  // which an answer that is complete does not mind
  release();
  const std::chrono::duration<double> took = Clock::now() - begin_;
  counters_.answered(name_, status, seconds, took.count());
  --counters_.under_way;
}

void Turn::check() const {
  if (client_.is_gone()) throw ClientGone();
  if (Clock::now() - begin_ > limit_)
    throw ApiError(504,
                   fmt::format("The answer was not complete within {} (--timeout).", human_seconds(limit_.count())), "",
                   "timeout");
}

bool Turn::hold(int64_t bytes, int64_t most) {
  held_ += bytes;
  return (counters_.upload_bytes += bytes) <= most;
}

void Turn::release() {
  counters_.upload_bytes -= held_;
  held_ = 0;
}

std::string Turn::read_body(const httplib::Request& request, const httplib::ContentReader& reader, BodyLimits limits,
                            int64_t factor) {
  std::string body;
  bool is_too_large = request.get_header_value<uint64_t>("Content-Length") > static_cast<uint64_t>(limits.one);
  bool is_full = false;
  client_.must_close = true;  // until all of it is read
  if (!is_too_large) {
    const bool is_read = reader([&](const char* bytes, size_t size) {
      is_too_large = static_cast<int64_t>(body.size() + size) > limits.one;
      is_full = !is_too_large && !hold(factor * static_cast<int64_t>(size), limits.all);
      if (is_too_large || is_full) return false;
      body.append(bytes, size);
      return true;
    });
    if (is_read) {
      client_.must_close = false;
      return body;
    }
  }
  if (is_too_large)
    throw ApiError(413, fmt::format("The body is larger than {} (--max-upload-mb).", human_bytes(limits.one)), "file",
                   "upload_too_large");
  if (is_full) throw ApiError(429, "Too many large uploads at a time; try again later.", "", "uploads_full");
  throw ApiError(400, "The body did not arrive in full.");
}

}  // namespace usam::serve
