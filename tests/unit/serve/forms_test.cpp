// What uploads are wrapped in: multipart forms, files in memory.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "src/base/fs.h"
#include "tests/support.h"
#include "tools/serve/memory_file.h"
#include "tools/serve/multipart.h"

namespace usam::serve {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=xyz";

std::string form(const std::string& head, const std::string& bytes) {
  return "--xyz\r\n" + head + "\r\n\r\n" + bytes + "\r\n--xyz--\r\n";
}

std::string refusal(const std::string& type, const std::string& body) {
  return test::message_of([&] { parse_form(type, body); });
}

TEST(Forms, PartsAreTakenApart) {
  const std::string bytes("\r\n--xy\0\r\n--x\xff", 14);
  const std::string body =
      "before\r\n--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".wav\"\r\n"
      "Content-Type: audio/wav\r\n\r\n" +
      bytes + "\r\n--xyz\r\ncontent-disposition:form-data;name=task\r\n\r\n\r\n--xyz--\r\nafter";
  const auto parts = parse_form("Multipart/Form-Data; charset=x; Boundary=\"xyz\"", body);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].name, "file");
  EXPECT_EQ(parts[0].file_name, "a \"b\".wav");
  EXPECT_TRUE(parts[0].is_file);
  EXPECT_EQ(parts[0].bytes, bytes);
  EXPECT_EQ(parts[1].name, "task");
  EXPECT_FALSE(parts[1].is_file);
  EXPECT_EQ(parts[1].bytes, "");
  EXPECT_TRUE(parse_form(kType, "--xyz--").empty());
}

TEST(Forms, WhatIsNoneIsRefused) {
  EXPECT_EQ(refusal("text/plain", ""), "The body must be multipart/form-data, not 'text/plain'.");
  EXPECT_EQ(refusal("", ""), "The body must be multipart/form-data, not ''.");
  const std::string boundary = "The content type multipart/form-data names no boundary of 1 to 70 characters.";
  EXPECT_EQ(refusal("multipart/form-data", ""), boundary);
  EXPECT_EQ(refusal("multipart/form-data; boundary=", ""), boundary);
  EXPECT_EQ(refusal("multipart/form-data; boundary=" + std::string(71, 'a'), ""), boundary);
  EXPECT_EQ(refusal(kType, "no form"), "The body does not hold the boundary that its content type names.");
  const std::string cut = "The form ends before its closing boundary.";
  const auto whole = form("Content-Disposition: form-data; name=\"a\"", "text");
  for (const size_t size : {5U, 7U, 20U, 50U, 60U}) EXPECT_EQ(refusal(kType, whole.substr(0, size)), cut) << size;
  EXPECT_EQ(refusal(kType, form("Content-Type: audio/wav", "")), "A part of the form has no name.");
  EXPECT_EQ(refusal(kType, form("X: " + std::string(9000, 'x'), "")), "The head of a part is longer than 8192 bytes.");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
  EXPECT_EQ(refusal(kType, many + "--xyz--"), "The form has more than 64 parts.");
}

// Whatever the bytes: a list or a refusal.
TEST(Forms, DamagedOnesDoNoHarm) {
  std::mt19937 random(20);
  const auto whole = form("Content-Disposition: form-data; name=\"a\"; filename=\"\\\"", "text\r\n--xyz\r\n\r\n\r\n");
  for (int i = 0; i < 20000; ++i) {
    auto body = whole;
    for (int k = 0; k < 3; ++k) body[random() % body.size()] = static_cast<char>(random());
    body.resize(random() % (body.size() + 1));
    refusal(kType, body);
  }
}

TEST(MemoryFile, HoldsItsBytesAsLongAsItLives) {
  std::string path;
  {
    const std::string bytes(100000, 'x');
    const MemoryFile file(bytes);
    path = file.path();
    EXPECT_EQ(read_file(path), bytes);
    EXPECT_TRUE(std::filesystem::is_regular_file(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace usam::serve
