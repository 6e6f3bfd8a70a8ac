// Tar shards: a member that may be read lies within the tar, behind a header of its size; samples can be read.
#include "data/audio/bytes.h"
#include "data/sources/webdataset.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

namespace usam::fuzz {
namespace {

constexpr size_t kBlock = 512;

void set_sum(char* block) {
  std::fill_n(block + 148, 8, ' ');
  unsigned sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(block[i]);
  const std::string digits = fmt::format("{:06o}", sum);
  std::copy(digits.begin(), digits.end(), block + 148);
  block[154] = '\0';
}

std::string member(const std::string& name, std::string bytes, char type = '0') {
  std::string block(kBlock, '\0');
  const auto put = [&](size_t at, const std::string& text) { text.copy(block.data() + at, text.size()); };
  put(0, name.substr(0, 100));
  put(100, "0000644");
  put(124, fmt::format("{:011o}", bytes.size()));
  put(156, std::string(1, type));
  put(157, type == '1' || type == '2' ? "a.wav" : "");
  put(257, std::string("ustar\0", 6) + "00");
  set_sum(block.data());
  bytes.resize((bytes.size() + kBlock - 1) / kBlock * kBlock);
  return block + bytes;
}

}  // namespace

std::vector<std::string> seeds() {
  const std::string end(2 * kBlock, '\0'), longer = std::string(150, 'n') + ".wav";
  const std::string pair = member("a.wav", "RIFF") + member("a.json", R"({"text":["x","y"],"duration":1,"tags":"p"})");
  return {
      pair + end,
      pair + member("d/", "", '5') + member("b.wav", "x") + member("b.txt", "x\ty") + member("b.cls", "3") + end,
      member("././@LongLink", longer + '\0', 'L') + member(longer, "x") + member("l.wav", "", '2') + end,
      member("PaxHeaders/x", "17 path=long.wav\n13 size=1024\n", 'x') + member("x", std::string(700, 'x')) + end,
      member("PaxHeaders/x", "25 GNU.sparse.size=10000\n26 GNU.sparse.map=0,1,9,1\n26 GNU.sparse.numblocks=2\n", 'x') +
          member("s.wav", "xx") + member("g", "19 comment=nothing\n", 'g') + member("h.wav", "", '1') + end};
}

void read(std::string_view bytes) {
  // Sums are mended, or hardly a change would get beyond them.
  std::string mended(bytes);
  for (size_t at = 0; at + kBlock <= mended.size(); at += kBlock) {
    if (mended.compare(at + 257, 5, "ustar") == 0) set_sum(mended.data() + at);
  }
  const MemoryFile file(mended);
  const std::string path = file.path();
  const auto text_of = [&](const std::optional<data::TarMember>& one) -> std::optional<std::string> {
    if (!one) return std::nullopt;
    if (!one->problem.empty() || one->begin < 512 || one->begin + one->bytes > std::ssize(mended)) std::abort();
    if (one->bytes == 0) return "";
    const auto text =
        data::audio::Stretch({.path = path, .member = one->name, .begin = one->begin, .bytes = one->bytes}).text();
    if (text != mended.substr(static_cast<size_t>(one->begin), static_cast<size_t>(one->bytes))) std::abort();
    return text;
  };
  std::vector<std::string> problems;
  for (const auto& sample : data::samples_of(path, problems)) {
    text_of(sample.audio);
    data::ManifestLine row;
    const auto problem = data::read_sample({text_of(sample.json), text_of(sample.txt), text_of(sample.cls)}, row);
    if (!problem && data::split_references(row.label).empty()) std::abort();
  }
}

}  // namespace usam::fuzz
