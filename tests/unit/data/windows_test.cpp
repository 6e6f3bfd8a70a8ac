#include "data/sources/windows.h"

#include "data/loader.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::Lengths;

struct Stretch {
  std::string key;
  double offset, seconds;
  bool operator==(const Stretch&) const = default;
};
void PrintTo(const Stretch& s, std::ostream* out) {
  *out << s.key << " from " << s.offset << ", " << s.seconds << " s";
}

std::vector<Stretch> stretches(const Source& source) {
  std::vector<Stretch> all;
  for (int64_t i = 0; i < source.size(); ++i) {
    const Row row = source.row(i);
    EXPECT_EQ(row.seconds, source.seconds(i));
    EXPECT_EQ(row.audio().is_part, row.key.find('#') != std::string::npos);
    all.push_back({row.key, row.audio().offset, row.seconds});
  }
  return all;
}

TEST(WindowSource, CutsWhatIsLonger) {
  const WindowSource source(std::make_shared<Lengths>(std::vector<double>{30, 80, 2, 30.005, 31, 55}), 30, 5);
  EXPECT_EQ(stretches(source), (std::vector<Stretch>{{"clip0", 0, 30},
                                                     {"clip1#0", 0, 30},
                                                     {"clip1#1", 25, 30},
                                                     {"clip1#2", 50, 30},
                                                     {"clip2", 0, 2},
                                                     {"clip3", 0, 30.005},  // durations are rounded
                                                     {"clip4#0", 0, 30},
                                                     {"clip4#1", 25, 6},
                                                     {"clip5#0", 0, 30},
                                                     {"clip5#1", 25, 30}}));
  EXPECT_EQ(source.original(3), 1);
  EXPECT_EQ(source.original(4), 2);
  EXPECT_EQ(source.parts_of(0), 1);
  EXPECT_EQ(source.parts_of(1), 3);
  EXPECT_EQ(source.parts_of(5), 2);
  EXPECT_EQ(source.place(3), "lengths.jsonl:2");
}

TEST(WindowSource, AnyLengths) {
  for (int i = 0; i < 2000; ++i) {
    const DrawKey key = draw_key(7, static_cast<uint64_t>(i));
    const double window = 0.5 + 40 * uniform(key, 0), overlap = window * 0.9 * uniform(key, 1);
    const double total = 300 * uniform(key, 2);
    const WindowSource source(std::make_shared<Lengths>(std::vector<double>{total}), window, overlap);
    for (int64_t k = 0; k < source.size(); ++k) {
      const Row row = source.row(k);
      EXPECT_LE(row.seconds, window + 0.011);
      if (source.size() == 1) continue;
      EXPECT_DOUBLE_EQ(row.audio().offset, static_cast<double>(k) * (window - overlap));
      if (k + 1 < source.size()) EXPECT_EQ(row.seconds, window);
      if (k + 1 == source.size()) {
        EXPECT_NEAR(row.audio().offset + row.seconds, total, 1e-9);
        EXPECT_GE(row.seconds, overlap);
      }
    }
  }
}

// A window of a part lies in the part; of a file, it is what stands there.
TEST(WindowSource, IsReadFromItsPlace) {
  const test::TemporaryFolder folder;
  auto wave = test_support::tone(8, 100);
  for (size_t i = 0; i < wave.size(); ++i) wave[i] *= static_cast<float>(i) / static_cast<float>(wave.size());
  test_support::write_wav(folder, "a.wav", wave);
  const auto manifest =
      Manifest::open(folder.write("m.jsonl", R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "dur": 8}
{"key": "b", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 1.5, "dur": 6, "tags": ["t"]})"));
  const auto source = std::make_shared<WindowSource>(manifest, 4, 1);
  EXPECT_EQ(stretches(*source),
            (std::vector<Stretch>{{"a#0", 0, 4}, {"a#1", 3, 4}, {"a#2", 6, 2}, {"b#0", 1.5, 4}, {"b#1", 4.5, 3}}));
  EXPECT_TRUE(source->row(0).references.empty());
  EXPECT_EQ(source->row(4).tags, (std::vector<std::string>{"t"}));

  DataPlan plan;
  plan.streams = {{"wave", WaveSpec{16000, false}, 0}};
  plan.fields = {{"wave", Layout::kPadded}};
  plan.length = [](const Row&, double seconds) { return SampleLength{seconds, 0, 0}; };
  plan.make_example = [](const Row&, const Clip& clip) { return Example{{"wave", clip.features.at("wave")}}; };
  DataConfig config = test_support::small_config(2);
  config.cache_memory = 10;
  config.long_audio = LongAudio::kError;
  config.max_seconds = 4;
  const auto data = std::make_shared<DataSet>(source, plan, config, Use{1, false});
  const torch::Tensor whole = torch::tensor(wave);
  for (int epoch = 0; epoch < 2; ++epoch) {  // the second one from memory
    Loader loader(data, {{epoch, 0}, 0, 1});
    int64_t row = 0;
    while (const auto batch = loader.next()) {
      const auto& field = batch->field("wave");
      for (int64_t b = 0; b < batch->size(); ++b, ++row) {
        const Row cut = source->row(row);
        const auto begin = static_cast<int64_t>(cut.audio().offset * 16000),
                   count = static_cast<int64_t>(cut.seconds * 16000);
        EXPECT_EQ(batch->keys[static_cast<size_t>(b)], cut.key);
        EXPECT_TRUE(torch::equal(field.data[b].slice(0, 0, field.lengths_B[b].item<int64_t>()),
                                 whole.slice(0, begin, begin + count)))
            << cut.key;
      }
    }
    EXPECT_EQ(row, 5);
    EXPECT_EQ(loader.counts().misdeclared + loader.counts().truncated + loader.counts().too_long, 0);
  }
}

// A part that is not in its file is a sample that cannot be used, like any other.
TEST(WindowSource, PartsBehindTheEndAreSkipped) {
  const test::TemporaryFolder folder;
  const std::string wav = test_support::write_wav(folder, "a.wav", test_support::tone(2, 440));
  const auto manifest = Manifest::open(
      folder.write("m.jsonl", R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 2.5, "dur": 1}
{"key": "b", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 1, "dur": 0}
{"key": "c", "wav": "a.wav", "label": "x", "task": "ASR", "offset": 1.5, "dur": 1})"));
  const DataSet data(manifest, test_support::small_plan(), test_support::small_config(), {});
  EXPECT_EQ(data.load({0, 0}, 0, 1).skipped.reason,
            wav + ": the part that begins at 2.5 s is not there: the file holds 2.00 s");
  EXPECT_EQ(data.load({1, 0}, 0, 1).skipped.reason,
            wav + ": the manifest says that the clip has 0 s, but it has samples");
  const Sample shorter = data.load({2, 0}, 0, 1);
  EXPECT_DOUBLE_EQ(shorter.seconds, 0.5);
  EXPECT_TRUE(shorter.is_misdeclared);
}

}  // namespace
}  // namespace usam::data
