#pragma once
#include <memory>

#include "src/text/tokenizer.h"

namespace usam::test {

// A token for each of fifty letters, digits and signs; some of two.
class Letters final : public Tokenizer {
 public:
  std::vector<int64_t> encode_mixed(std::string_view text, size_t, size_t) const override {
    std::vector<int64_t> ids;
    for (const char c : text) ids.push_back(static_cast<int64_t>(pieces().find(c)));
    return ids;
  }
  std::string decode(const std::vector<int64_t>& ids, SpecialText) const override {
    std::string text;
    for (const auto id : ids)
      text += id == kPair ? "42" : id == kEnd ? "" : pieces().substr(static_cast<size_t>(id), 1);
    return text;
  }
  int64_t vocab_size() const override { return 50; }
  std::optional<int64_t> bos() const override { return std::nullopt; }
  int64_t eos() const override { return kEnd; }
  std::optional<int64_t> find(std::string_view) const override { return std::nullopt; }
  void save(const std::string&) const override {}

  static constexpr int64_t kPair = 48, kEnd = 49;

 private:
  static const std::string& pieces() {
    static const std::string all = "abcdefghijklmnopqrstuvwxyz0123456789.- ,:;ABCDEF";
    return all;
  }
};

}  // namespace usam::test
