#include "src/base/base64.h"

#include <gtest/gtest.h>

#include <random>

namespace usam {
namespace {

TEST(Base64, ComesBack) {
  std::mt19937 random(20);
  for (size_t size = 0; size < 100; ++size) {
    std::string bytes(size, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    auto text = to_base64(bytes);
    EXPECT_EQ(text.size(), (size + 2) / 3 * 4);
    EXPECT_EQ(from_base64(text), bytes);
    text.resize(text.find('=') == std::string::npos ? text.size() : text.find('='));
    EXPECT_EQ(from_base64(text), bytes) << "without padding";
    for (size_t at = 0; at <= text.size(); at += 5) text.insert(at, "\r\n");
    EXPECT_EQ(from_base64(text), bytes) << "in lines";
  }
  EXPECT_EQ(to_base64("Man"), "TWFu");
  EXPECT_EQ(from_base64("TQ=="), "M");
  for (const char* wrong : {"T", "TWFuT", "TQ=", "TQ===", "T=Q=", "TW-_", "TQ==TQ==", "\xff\xff\xff\xff", "===="})
    EXPECT_EQ(from_base64(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace usam
