// A manifest's rows: the first byte picks the dialect, or (from 0x80 on) a text of rows as a whole, whose layout and
// dialect are found out.
#include "data/row_reader.h"
#include "tests/fuzz/fuzz.h"

namespace usam::fuzz {
namespace {

// Checks what a reader promises to a builder.
class Checker final : public data::IndexBuilder {
 public:
  explicit Checker(int64_t bytes) : bytes_(bytes) {}
  void add(const data::IndexRecord& record) override {
    if (record.key.empty() || record.line < 1 || record.text.begin < 0 ||
        record.text.begin + record.text.bytes > bytes_)
      std::abort();
  }
  void refuse(int32_t, int64_t, const std::string& sentence) override {
    if (sentence.empty()) std::abort();
  }
  void progress(int64_t, int64_t) override {}

 private:
  int64_t bytes_;
};

}  // namespace

std::vector<std::string> seeds() {
  const std::vector<std::string> rows = {
      R"({"key":"a","wav":"a.wav","label":"x\ty","task":"MC","dur":"1.5","offset":2,"tags":["p","q"],"prompt":"?","z":[{}]})",
      R"({"key":"k","prompt":"<ASR>","source":"a.wav","target":"one"})",
      R"({"path":"a.wav","text":"one","task":"QA","Q":"?","lang":"en"})",
      R"({"audio_filepath":"a.wav","duration":1.5,"offset":0.5,"text":"one","_skipme":false})",
      R"({"task_type":"understanding","conversation":[{"role":"user","message_type":"audio","content":"a"},)"
      R"({"role":"assistant","message_type":"text","content":"b"}]})",
      R"({"messages":[{"role":"user","content":[{"type":"audio","audio":"a"},{"type":"text","text":"?"}]},)"
      R"({"role":"assistant","content":"b"}],"audios":[],"system":"s"})",
      R"({"id":"c","start":1,"duration":2,"channel":0,"supervisions":[{"start":0,"text":"a","language":"en"}],)"
      R"("recording":{"sources":[{"type":"file","channels":[0],"source":"a.wav"}],"duration":9},"type":"MonoCut"})"};
  std::vector<std::string> all;
  for (size_t i = 0; i < rows.size(); ++i) all.push_back(std::string(1, static_cast<char>(i)) + rows[i]);
  all.push_back("\x80[" + rows[0] + ",\n" + rows[0] + "]");
  all.push_back("\x80{\"annotation\": [" + rows[2] + "]}");
  all.push_back("\x80\xef\xbb\xbf" + rows[3] + "\r\n\n" + rows[3]);
  return all;
}

void read(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto choice = static_cast<unsigned char>(bytes[0]);
  bytes.remove_prefix(1);
  if (choice >= 0x80) {
    const auto text = data::row_text_of(std::string(bytes));
    Checker checker(text->size());
    data::read_rows(*text, data::detect_format(*text, nullptr), checker);
    return;
  }
  data::ManifestLine line;
  const auto& dialect = data::dialects()[choice % data::dialects().size()];
  if (!dialect.parse(bytes, line, true) && !line.is_left_out &&
      (line.key.empty() || line.wavs.empty() || line.label.empty()))
    std::abort();
}

}  // namespace usam::fuzz
