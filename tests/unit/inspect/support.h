#pragma once
// Runs usam-inspect as a user does.
#include <torch/torch.h>

#include <cstdlib>
#include <cstring>
#include <iterator>

#include "src/io/safetensors.h"
#include "tests/parity/encoders/golden.h"
#include "tests/support.h"

namespace usam::test {

struct Outcome {
  int code = 0;
  std::string output, errors;
};

class UsamInspect : public testing::Test {
 protected:
  Outcome run(const std::string& arguments) const {
    const std::string out = path("standard_output"), err = path("standard_error");
    const int status = std::system((USAM_INSPECT " " + arguments + " >" + out + " 2>" + err).c_str());
    return {WEXITSTATUS(status), text(out), text(err)};
  }
  // Fails with `message` as the end of standard error (what was loaded stands before it), and with nothing on standard
  // output.
  void expect_user_error(const std::string& arguments, const std::string& message) const {
    const Outcome got = run(arguments);
    EXPECT_EQ(got.code, 2);
    EXPECT_TRUE(got.errors.ends_with(message + "\n")) << got.errors;
    EXPECT_EQ(got.output, "");
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  static std::string text(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // A mono wav file of 32-bit floats, so that a golden's samples arrive bit for bit.
  std::string write_wav(const std::string& name, const torch::Tensor& samples, int32_t rate) const {
    const auto data = samples.to(torch::kFloat).contiguous();
    const auto bytes = static_cast<int32_t>(data.nbytes());
    std::string wav = "RIFF" + word(36 + bytes) + "WAVEfmt " + word(16) + half(3) + half(1) + word(rate) +
                      word(4 * rate) + half(4) + half(32) + "data" + word(bytes);
    wav.append(static_cast<const char*>(data.data_ptr()), data.nbytes());
    return folder_.write(name, wav);
  }

  TemporaryFolder folder_;

 private:
  static std::string word(int32_t value) { return {reinterpret_cast<const char*>(&value), 4}; }
  static std::string half(int16_t value) { return {reinterpret_cast<const char*>(&value), 2}; }
};

}  // namespace usam::test
