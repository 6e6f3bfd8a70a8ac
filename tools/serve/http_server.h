#pragma once
// cpp-httplib's server with what a service needs that strangers' programs talk to: heads of bounded size, deadlines,
// answers that reach clients which were not read to their end, and a word for handlers on whether their client is
// still there.
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace usam::serve {

using Clock = std::chrono::steady_clock;

// One client's socket, for the time of its requests.
class Connection final : public httplib::Stream {
 public:
  explicit Connection(int socket) : socket_(socket) {}
  // The connection whose request this thread answers.
  static Connection& current();

  // Waits for the first byte of a request, for `limit` at most and no longer than `is_open` holds.
  bool wait_for_request(std::chrono::milliseconds limit, const std::function<bool()>& is_open);
  // From here the bytes are those of a request's head, of 64 KiB at most, which is here within 10 s; then of its body.
  void begin_head();
  void begin_body(Clock::time_point deadline);
  // The client has hung up.
  bool is_gone() const;
  // Says that the answer is whole, and takes in what the client still sends for a short while: closing a socket with
  // unread bytes throws away the answer.
  void linger();

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* bytes, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

  bool must_close = false;  // the rest of the request was not read

 private:
  bool fill();

  int socket_;
  bool is_head_ = true;
  int64_t head_left_ = 0;
  Clock::time_point deadline_;
  std::array<char, 16384> buffer_;
  size_t begin_ = 0, end_ = 0;
};

class HttpServer : public httplib::Server {
 public:
  // `read_timeout`: within it a body has to come.
  HttpServer(int64_t threads, std::chrono::milliseconds read_timeout);
  // Binds; 0: any free port. Returns the port. UserError: the address cannot be used.
  int bind(const std::string& host, int port);
  // From now on connections are closed after the request under way.
  void close_idle() { is_closing_ = true; }

 private:
  bool process_and_close_socket(socket_t socket) override;

  std::chrono::milliseconds read_timeout_;
  std::atomic<bool> is_closing_ = false;
};

}  // namespace usam::serve
