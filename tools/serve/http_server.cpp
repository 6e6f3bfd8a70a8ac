#include "tools/serve/http_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "src/base/error.h"

namespace usam::serve {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kLargestHead = 65536;
constexpr milliseconds kHeadTimeout{10000}, kWriteTimeout{10000}, kKeepAlive{5000}, kLinger{2000}, kLook{100};
constexpr int kBacklog = 512;

thread_local Connection* t_current = nullptr;

// Waits for `events`; whether they came.
bool comes(int socket, short events, milliseconds limit) {
  const auto end = Clock::now() + limit;
  while (true) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    pollfd ready{socket, events, 0};
    const int got = poll(&ready, 1, std::max(0, static_cast<int>(left.count())));
    if (got < 0 && errno == EINTR) continue;
    return got > 0;
  }
}

void address_of(int socket, decltype(getpeername)* get, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (get(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    port = ntohs(v6.sin6_port);
  }
  ip = text.data();
}

}  // namespace

Connection& Connection::current() {
  return *t_current;
}

bool Connection::wait_for_request(milliseconds limit, const std::function<bool()>& is_open) {
  if (begin_ < end_) return true;
  for (const auto end = Clock::now() + limit; Clock::now() < end && is_open();) {
    if (comes(socket_, POLLIN, kLook)) return !is_gone();
  }
  return false;
}

void Connection::begin_head() {
  is_head_ = true;
  head_left_ = kLargestHead;
  deadline_ = Clock::now() + kHeadTimeout;
  must_close = false;
}

void Connection::begin_body(Clock::time_point deadline) {
  is_head_ = false;
  deadline_ = deadline;
}

bool Connection::is_gone() const {
  char byte;
  const auto count = recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void Connection::linger() {
  shutdown(socket_, SHUT_WR);
  std::array<char, 65536> ignored;
  for (const auto end = Clock::now() + kLinger; Clock::now() < end;) {
    if (!comes(socket_, POLLIN, kLook)) continue;
    if (recv(socket_, ignored.data(), ignored.size(), 0) <= 0) return;
  }
}

bool Connection::fill() {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
  if (left.count() <= 0 || !comes(socket_, POLLIN, left)) return false;
  ssize_t count;
  do count = recv(socket_, buffer_.data(), buffer_.size(), 0);
  while (count < 0 && errno == EINTR);
  if (count <= 0) return false;
  begin_ = 0, end_ = static_cast<size_t>(count);
  return true;
}

bool Connection::is_readable() const {
  return begin_ < end_ || comes(socket_, POLLIN, milliseconds(0));
}

bool Connection::is_writable() const {
  return comes(socket_, POLLOUT, kWriteTimeout) && !is_gone();
}

ssize_t Connection::read(char* bytes, size_t size) {
  if (begin_ == end_ && !fill()) return -1;
  const size_t count = std::min(size, end_ - begin_);
  if (is_head_ && (head_left_ -= static_cast<int64_t>(count)) < 0) return -1;
  std::memcpy(bytes, buffer_.data() + begin_, count);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* bytes, size_t size) {
  if (!comes(socket_, POLLOUT, kWriteTimeout)) return -1;
  ssize_t count;
  do count = send(socket_, bytes, size, MSG_NOSIGNAL);
  while (count < 0 && errno == EINTR);
  return count;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  address_of(socket_, getpeername, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  address_of(socket_, getsockname, ip, port);
}

HttpServer::HttpServer(int64_t threads, milliseconds read_timeout) : read_timeout_(read_timeout) {
  new_task_queue = [threads] { return new httplib::ThreadPool(static_cast<size_t>(threads)); };
  set_write_timeout(kWriteTimeout);
  set_tcp_nodelay(true);
  // The library's default, SO_REUSEPORT, lets two servers share a port without a word.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
}

int HttpServer::bind(const std::string& host, int port) {
  errno = 0;
  const int bound = port == 0 ? bind_to_any_port(host) : bind_to_port(host, port) ? port : -1;
  if (bound <= 0)
    user_error("{}:{} cannot be listened on: {}.", host, port, errno ? std::strerror(errno) : "no such address");
  ::listen(svr_sock_, kBacklog);  // the library's own queue is 5 long
  return bound;
}

// The library's loop over a connection's requests, on a Connection.
bool HttpServer::process_and_close_socket(socket_t socket) {
  Connection connection(socket);
  t_current = &connection;
  const auto is_open = [this] { return !is_closing_; };
  const auto on_head = [&](httplib::Request& request) {
    connection.begin_body(Clock::now() + read_timeout_);
    request.ranges.clear();  // answers are given whole
    // The library would take forms apart with regular expressions that recurse; multipart.h does it.
    auto& headers = request.headers;
    if (const auto type = headers.find("Content-Type"); type != headers.end()) {
      headers.emplace("X-Body-Type", type->second);
      headers.erase("Content-Type");
    }
  };
  bool is_done = true;
  do {
    if (!connection.wait_for_request(kKeepAlive, is_open)) break;
    connection.begin_head();
    bool is_last = false;
    is_done = process_request(connection, is_closing_, is_last, on_head);
    if (is_last || connection.must_close) break;
  } while (is_done);
  connection.linger();
  ::close(socket);
  t_current = nullptr;
  return is_done;
}

}  // namespace usam::serve
