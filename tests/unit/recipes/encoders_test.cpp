// data.long_audio: window. What several windows of a clip give is what the clip is.
// B clips, N windows, T frames, S samples, D width.
#include "recipes/usam/encoders.h"

#include <mutex>

#include "data/collate.h"
#include "data/loader.h"
#include "data/sources/windows.h"
#include "src/models/ced/model.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::operator+;
using test::TinyRun;

const std::vector<std::string> kWindows = {"data.long_audio=window", "data.max_seconds=2", "data.batch={rows: 8}",
                                           "data.window={overlap: 0.5, max_seconds: 20, long_audio: error}"};

// Mean energy of 20 ms of the wave: a frame depends on its own samples alone.
class LocalEncoder final : public AudioEncoder {
 public:
  static constexpr int64_t kHop = 320;
  // `width` is what it says, not what it gives.
  explicit LocalEncoder(int64_t width = 1) : width_(width) {
    register_parameter("weight", torch::zeros({1}), /*requires_grad=*/false);
  }
  EncoderOutput forward(const torch::Tensor& wave_BS, const torch::Tensor& lengths_B, bool) override {
    {
      const std::scoped_lock lock(mutex_);
      calls.emplace_back(wave_BS.size(0), wave_BS.size(1));
      if (at::in_parallel_region()) ++calls_of_threads;
      makes_graph |= torch::GradMode::is_enabled();
    }
    const int64_t frames = wave_BS.size(1) / kHop;
    EncoderOutput out;
    out.last_BTD = wave_BS.slice(1, 0, frames * kHop).reshape({-1, frames, kHop}).square().mean(2, true);
    out.states_BTD = {out.last_BTD};
    out.lengths_B = torch::div(lengths_B, kHop, "floor");
    out.hz = hz();
    return out;
  }
  FrontEndSpec front_end() const override { return WaveSpec{16000, false}; }
  int64_t output_frames(int64_t samples) const override { return samples / kHop; }
  int64_t min_samples() const override { return kHop; }
  int64_t width() const override { return width_; }
  int64_t num_states() const override { return 1; }
  double hz() const override { return 50; }
  std::string path_of(const std::string&) const override { return ""; }

  std::vector<std::pair<int64_t, int64_t>> calls;  // rows and samples of each
  int calls_of_threads = 0;                        // beside each other
  bool makes_graph = false;

 private:
  std::mutex mutex_;
  int64_t width_;
};

// A clip as data/ makes it of a wave at 16 kHz; one window if `window` is 0.
data::Clip clip_of(const torch::Tensor& wave_S, double window, double overlap) {
  const auto one = [](const torch::Tensor& samples_S) {
    data::Clip clip;
    clip.seconds = static_cast<double>(samples_S.numel()) / 16000;
    clip.features["x"] = samples_S;
    clip.samples["x"] = samples_S.numel();
    return clip;
  };
  data::Clip clip = one(wave_S);
  if (window == 0 || clip.seconds <= window) return clip;
  clip.features.clear(), clip.samples.clear();
  for (const auto& stretch : data::window_stretches(clip.seconds, window, overlap)) {
    const auto begin = std::llround(stretch.offset * 16000);
    clip.windows.push_back(one(wave_S.slice(0, begin, begin + std::llround(stretch.seconds * 16000))));
    clip.windows.back().start = stretch.offset;
  }
  return clip;
}

data::Batch batch_of(const EncoderPart& part, const std::vector<data::Clip>& clips) {
  std::vector<data::Example> examples;
  for (const auto& clip : clips) {
    examples.push_back(shared_fields(clip, false));
    examples.back().merge(encoder_fields(part, clip, {}));
  }
  data::Batch batch;
  for (size_t i = 0; i < clips.size(); ++i) batch.keys.push_back(std::to_string(i));
  std::vector<data::FieldSpec> fields;
  for (const auto& [name, value] : examples.front()) fields.push_back({name, data::Layout::kPadded});
  batch.fields = data::collate(fields, examples);
  return batch;
}

// The threads of torch's operators, and of encoders side by side.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

EncoderPart local_part() {
  return {"x", Train::kFrozen, std::make_shared<LocalEncoder>()};
}

Frames encode_one(EncoderPart& part, const data::Batch& batch) {
  return encode({&part, 1}, batch, nullptr).front();
}

TEST(Encode, WindowsOfALocalEncoderGiveWhatTheWholeClipGives) {
  EncoderPart part = local_part();
  torch::manual_seed(1);
  for (const double seconds : {1.0, 2.0, 2.5, 6.7, 9.98, 20.0}) {
    const auto wave_S = torch::randn({std::llround(seconds * 16000)});
    const auto whole = encode_one(part, batch_of(part, {clip_of(wave_S, 0, 0)}));
    for (const double overlap : {0.0, 0.3, 0.5, 1.5}) {
      const auto clip = clip_of(wave_S, 2, overlap);
      const auto stitched = encode_one(part, batch_of(part, {clip}));
      ASSERT_EQ(stitched.x_BTD.sizes(), whole.x_BTD.sizes()) << seconds << " s, overlap " << overlap;
      EXPECT_TRUE(torch::equal(stitched.x_BTD, whole.x_BTD)) << seconds << " s, overlap " << overlap;
      EXPECT_TRUE(stitched.valid_BT().all().item<bool>());
      EXPECT_EQ(encoded_frames(part, clip), whole.x_BTD.size(1));
    }
  }
}

TEST(Encode, AClickIsHeardWhenItHappens) {
  EncoderPart part = local_part();
  for (double click = 0.01; click < 7; click += 0.237) {
    auto wave_S = torch::zeros({7 * 16000});
    wave_S[static_cast<int64_t>(click * 16000)] = 1;
    const auto frames = encode_one(part, batch_of(part, {clip_of(wave_S, 2, 0.7)}));
    const auto heard = frames.x_BTD.squeeze().nonzero().squeeze(1);
    ASSERT_EQ(heard.numel(), 1) << click;  // neither lost nor heard twice
    EXPECT_NEAR(part.encoder->frame_time(heard.item<int64_t>()), click, 0.0101);
  }
}

TEST(Encode, ShortAndLongClipsShareABatch) {
  EncoderPart part = local_part();
  const auto long_S = torch::randn({5 * 16000}), short_S = torch::randn({16000});
  const auto both = encode_one(part, batch_of(part, {clip_of(short_S, 2, 0.5), clip_of(long_S, 2, 0.5)}));
  const auto alone = encode_one(part, batch_of(part, {clip_of(short_S, 0, 0)}));
  EXPECT_EQ(both.lengths_B[0].item<int64_t>(), 50);
  EXPECT_EQ(both.lengths_B[1].item<int64_t>(), 250);
  EXPECT_TRUE(torch::equal(both.x_BTD[0].slice(0, 0, 50), alone.x_BTD[0]));
  EXPECT_TRUE((both.x_BTD[0].slice(0, 50) == 0).all().item<bool>());
}

TEST(Encode, ChunksOfWindowsTakeNoMoreThanTheClips) {
  const Threads one(1);
  EncoderPart part = local_part();
  auto& encoder = dynamic_cast<LocalEncoder&>(*part.encoder);
  const auto wave_S = torch::zeros({20 * 16000});
  encode_one(part, batch_of(part, {clip_of(wave_S, 2, 1)}));
  int64_t rows = 0;
  for (const auto& [count, samples] : encoder.calls) {
    EXPECT_LE(count * samples, 20 * 16000);
    rows += count;
  }
  EXPECT_EQ(rows, 19);
  EXPECT_EQ(encoder.calls.size(), 2U);  // 10 windows of 2 s, then 9
}

// A wide encoder computes no padding that a pass of its own would spare; a narrow one takes all rows at once.
TEST(Encode, RowsOfSimilarLengthGoTogether) {
  const Threads one(1);
  for (const int64_t width : {1, 512}) {
    EncoderPart part{"x", Train::kFrozen, std::make_shared<LocalEncoder>(width)};
    auto& calls = dynamic_cast<LocalEncoder&>(*part.encoder).calls;
    torch::manual_seed(2);
    std::vector<data::Clip> clips;
    for (const int64_t samples : {16000, 160000, 15900, 48000, 160000})
      clips.push_back(clip_of(torch::randn({samples}), 0, 0));
    const auto frames = encode_one(part, batch_of(part, clips));
    const std::vector<std::pair<int64_t, int64_t>> all_at_once = {{5, 160000}},
                                                   in_groups = {{2, 160000}, {1, 48000}, {2, 16000}};
    EXPECT_EQ(calls, width == 1 ? all_at_once : in_groups);
    for (size_t i = 0; i < clips.size(); ++i) {
      const auto alone = encode_one(part, batch_of(part, {clips[i]}));
      const int64_t row = static_cast<int64_t>(i), length = alone.x_BTD.size(1);
      EXPECT_EQ(frames.lengths_B[row].item<int64_t>(), length);
      EXPECT_TRUE(torch::equal(frames.x_BTD[row].slice(0, 0, length), alone.x_BTD[0])) << i;
    }
  }
}

// Encoders of 512 and 600 channels, of five clips; with `window`, in pieces.
std::vector<Frames> encode_two(Train train, double window, int& calls_of_threads, bool& makes_graph) {
  std::vector<EncoderPart> parts;
  for (const int64_t width : {512, 600}) parts.push_back({"x", train, std::make_shared<LocalEncoder>(width)});
  torch::manual_seed(2);
  std::vector<data::Clip> clips;
  for (const int64_t samples : {16000, 160000, 15900, 48000, 160000})
    clips.push_back(clip_of(torch::randn({samples}), window, 0.5));
  auto streams = encode(parts, batch_of(parts.front(), clips), nullptr);
  calls_of_threads = 0, makes_graph = false;
  for (const EncoderPart& part : parts) {
    const auto& encoder = dynamic_cast<LocalEncoder&>(*part.encoder);
    calls_of_threads += encoder.calls_of_threads;
    makes_graph |= encoder.makes_graph;
  }
  return streams;
}

TEST(Encode, SideBySideEncodersGiveWhatOneByOneTheyGive) {
  for (const double window : {0.0, 2.0}) {
    int calls_of_threads = 0;
    bool makes_graph = false;
    std::vector<Frames> one_by_one;
    {
      const Threads one(1);
      one_by_one = encode_two(Train::kFrozen, window, calls_of_threads, makes_graph);
      EXPECT_EQ(calls_of_threads, 0);
    }
    for (const int count : {2, 4}) {
      const Threads several(count);
      const auto side_by_side = encode_two(Train::kFrozen, window, calls_of_threads, makes_graph);
      EXPECT_GE(calls_of_threads, count) << window;
      EXPECT_FALSE(makes_graph);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(torch::equal(side_by_side[i].lengths_B, one_by_one[i].lengths_B));
        EXPECT_TRUE(torch::equal(side_by_side[i].x_BTD, one_by_one[i].x_BTD)) << window << " s, " << count;
      }
    }
  }
}

// Of four long clips one thread of three would have two: all three work on each.
TEST(Encode, ThreadsThatWouldBeIdleWorkTogether) {
  const Threads three(3);
  int calls_of_threads = 0;
  bool makes_graph = false;
  encode_two(Train::kFrozen, 0, calls_of_threads, makes_graph);
  EXPECT_EQ(calls_of_threads, 0);
}

TEST(Encode, TrainedEncodersUseAllThreadsTogether) {
  const Threads two(2);
  int calls_of_threads = 0;
  bool makes_graph = false;
  encode_two(Train::kFull, 0, calls_of_threads, makes_graph);
  EXPECT_TRUE(makes_graph);
  EXPECT_EQ(calls_of_threads, 0);
}

// Each frame's time is where the clip sounds; of CED's, whose chunks end with frames that fill no patch, too.
TEST(Encode, CedsFramesStandWhereTheClipSounds) {
  CedSizes sizes{.width = 8, .layers = 1, .heads = 2, .ffn = 8};
  for (const auto bands : {CedBands::kInterleave, CedBands::kFold}) {
    CedEncoder encoder(sizes, bands);
    encoder.eval();
    const torch::NoGradGuard no_grad;
    const auto quiet_BTM = torch::zeros({1, 2500, 64});
    const auto lengths_B = torch::tensor({int64_t{2500}});
    const auto before = encoder.forward(quiet_BTM, lengths_B, true).states_BTD[0];  // local: patches
    for (const int64_t frame : {0, 17, 1000, 1020, 1500, 2030, 2480}) {
      auto loud_BTM = quiet_BTM.clone();
      loud_BTM.select(1, frame).fill_(5);
      const auto moved = (encoder.forward(loud_BTM, lengths_B, true).states_BTD[0] - before).abs().amax(2)[0].nonzero();
      ASSERT_EQ(moved.numel(), bands == CedBands::kFold ? 1 : 4) << frame;
      for (int64_t i = 0; i < moved.numel(); ++i)
        EXPECT_NEAR(encoder.frame_time(moved[i][0].item<int64_t>()), (static_cast<double>(frame) + 0.5) / 100, 0.0801);
    }
  }
}

class WindowedRun : public testing::Test {
 protected:
  // Frames of every clip of a set by key and encoder, as (T, D).
  using Streams = std::map<std::string, std::map<std::string, torch::Tensor>>;
  static Streams streams(const TinyRun& run, const std::shared_ptr<const data::DataSet>& set) {
    Streams all;
    const torch::NoGradGuard no_grad;
    data::Loader loader(set, {});
    while (const auto batch = loader.next()) {
      const auto of_batch = encode(run.model().encoders, *batch, nullptr);
      for (size_t e = 0; e < of_batch.size(); ++e) {
        const auto& part = run.model().encoders[e];
        const auto& frames = of_batch[e];
        for (int64_t b = 0; b < batch->size(); ++b) {
          const int64_t length = frames.lengths_B[b].item<int64_t>();
          all[batch->keys[static_cast<size_t>(b)]][part.name] = frames.x_BTD[b].slice(0, 0, length);
          if (part.name == "ced") {
            EXPECT_EQ(batch->field("audio_tokens").data[b].item<int64_t>(),
                      run.model().audio_tokens(length, batch->field("seconds").data[b].item<double>()));
          }
        }
      }
    }
    return all;
  }
  Streams streams(const std::vector<std::string>& overrides) const {
    const TinyRun run(folder_.path() / "run", test::kNothingRandom + overrides);
    return streams(run, run.data_set(run.config.data.train, true));
  }
  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_F(WindowedRun, ClipsOfOneWindowAreAsWithoutWindows) {
  const auto with = streams(kWindows + std::vector<std::string>{"data.batch={rows: 4}"});
  const auto without = streams({"data.batch={rows: 4}", "data.max_seconds=2"});
  for (int i = 0; i < 12; ++i) {  // the thirteenth is longer
    const std::string key = "train" + std::to_string(i);
    for (const auto& [name, frames_TD] : without.at(key))
      EXPECT_TRUE(torch::equal(with.at(key).at(name), frames_TD)) << key << " " << name;
  }
}

// Some batches keep two threads busy with a clip each; what encoders make of a clip does not depend on it.
TEST_F(WindowedRun, ThreadsChangeNoValue) {
  const auto with = [&](int count) {
    const Threads threads(count);
    return streams({"data.batch={rows: 4}", "data.max_seconds=2"});
  };
  const auto one = with(1), two = with(2);
  ASSERT_EQ(one.size(), two.size());
  for (const auto& [key, of_clip] : one)
    for (const auto& [name, frames_TD] : of_clip) {
      ASSERT_EQ(two.at(key).at(name).sizes(), frames_TD.sizes()) << key << " " << name;
      EXPECT_LT((two.at(key).at(name) - frames_TD).abs().max().item<double>(), 5e-5) << key << " " << name;
    }
}

// By hand: each window a clip of its own, read as a part of the file, and of its frames those up to the middle of the
// overlaps at 1.75 s and 3.25 s.
TEST_F(WindowedRun, ThreeWindowsAreStitchedAsByHand) {
  corpus_.add_row("test", "three", test::sound(700, 4.3), {}, {{"label", "one"}, {"task", "ASR"}, {"dur", 4.3}});
  const auto windows = test::kNothingRandom + kWindows;
  for (const auto& more : std::vector<std::vector<std::string>>{
           {}, {"recipe.encoders.whisper.pad=30s", "recipe.encoders.ced.bands=fold"}}) {
    const TinyRun run(folder_.path() / "run", windows + more);
    const auto stitched = streams(run, run.data_set(run.config.data.test, false)).at("three");

    const auto parts = std::make_shared<data::WindowSource>(data::open_manifests(run.config.data.test), 2, 0.5);
    const auto alone = streams(run, make_data_set(parts, *run.recipe, run.config, false, nullptr));
    for (const auto& part : run.model().encoders) {
      const auto hz = part.encoder->hz();
      const bool is_interleaved = part.name == "ced" && hz == 25;
      std::vector<torch::Tensor> pieces;
      for (int64_t w = 0; w < 3; ++w) {
        const auto& frames_TD = alone.at("three#" + std::to_string(w)).at(part.name);
        std::vector<int64_t> kept;
        for (int64_t i = 0; i < frames_TD.size(0); ++i) {
          const double middle = is_interleaved ? (static_cast<double>(i / 4) + 0.5) * 0.16  // four bands at one time
                                               : (static_cast<double>(i) + 0.5) / hz;
          const double time = 1.5 * static_cast<double>(w) + middle;
          const double begin = 0.25 + 1.5 * static_cast<double>(w), end = begin + 1.5;
          if ((w == 0 || time > begin - 1e-6) && (w == 2 || time < end - 1e-6)) kept.push_back(i);
        }
        pieces.push_back(frames_TD.index_select(0, torch::tensor(kept, torch::kInt64)));
      }
      const auto by_hand_TD = torch::cat(pieces);
      ASSERT_EQ(stitched.at(part.name).sizes(), by_hand_TD.sizes()) << part.name;
      EXPECT_LT((stitched.at(part.name) - by_hand_TD).abs().max().item<double>(), 5e-5) << part.name;
      EXPECT_NEAR(static_cast<double>(by_hand_TD.size(0)), 4.3 * hz, is_interleaved ? 5 : 1.5) << part.name;
    }
  }
}

TEST_F(WindowedRun, TrainsAnEncoderThroughItsWindows) {
  const TinyRun run(folder_.path() / "run",
                    kWindows + std::vector<std::string>{"recipe.encoders.whisper.train=full", "trainer.max_steps=2",
                                                        "data.max_seconds=1", "data.batch={rows: 4}"});
  const auto before = run.model().encoders[1].encoder->parameters().front().detach().clone();
  EXPECT_EQ(run.train(), Outcome::kFinished);
  const auto after = run.model().encoders[1].encoder->parameters().front();
  EXPECT_FALSE(after.equal(before));
  EXPECT_TRUE(after.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace usam::recipes
