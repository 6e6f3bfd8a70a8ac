#pragma once
#include <memory>
#include <string>

namespace usam {

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void add(const void* bytes, size_t count);
  // The digest as 64 lower-case hexadecimal digits; nothing may be added afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_text(const std::string& text);
// Reads the file in pieces; throws UserError when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace usam
