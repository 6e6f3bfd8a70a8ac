// What a user sees of a run before and during it: --validate, TensorBoard, the file for Prometheus.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/browser.h"
#include "tests/train/process.h"
#include "tests/unit/io/python.h"

namespace usam::test {
namespace {

class Monitoring : public ProgramTest {};

TEST_F(Monitoring, ValidationTellsWhatTheModelReads) {
  const auto ended = train("configs/tests/tiny.yaml --validate data.shuffle=false");
  ASSERT_EQ(ended.code, 0) << ended.errors;
  for (const char* part :
       {"parameters: ", "  encoders.ced  ", " frozen ", "memory of cpu: ", "  weights  ", "  gradients  ",
        "  optimizer  ", "  activations  ", "memory of the host: ", "time: 20 steps of ",
        " s, 4 an epoch, and 2 evaluations", "sample train0: ASR 0.50 s -> 3 audio tokens, ", "label 'one two'\n",
        "  reads: <s>Write what is said:<audio: 3 tokens>\\n---\\nText: one two</s>", "\n  frames: ced "}) {
    EXPECT_NE(ended.output.find(part), std::string::npos) << part << "\nin\n" << ended.output;
  }
  EXPECT_FALSE(std::filesystem::exists("runs/tests/tiny"));
}

// Of the process: what it needs beyond what it is when it begins.
TEST_F(Monitoring, TheHostsMemoryIsWithinFifteenPercentOfARuns) {
  // Large enough for libraries' own tables and threads not to count for much.
  const std::string large =
      "recipe.llm.hidden=512 recipe.llm.intermediate=2048 recipe.llm.layers=3 recipe.llm.train=full ";
  const auto ended = train("configs/tests/tiny.yaml " + large + "--validate");
  const double told = bytes_behind(ended.output, "memory of the host: ");
  const double itself = bytes_behind(ended.output, " beside the ");
  ASSERT_GT(told, 0) << ended.output;
  ASSERT_EQ(train_tiny(large).code, 0);
  double peak = 0;
  for (const Json& line : json_lines_of(path("run/metrics.jsonl")))
    if (line.contains("loss")) peak = line.at("time").at("peak_memory").get<double>();
  EXPECT_NEAR(told / (peak - itself), 1, 0.15) << told << " against " << peak - itself;
}

constexpr const char* kRead = R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'tensors': 0, 'scalars': 0, 'images': 0, 'audio': 0})
events.Reload()
tags = events.Tags()
for tag in ['train/loss', 'train/ce/ASR', 'train/ce/SEC', 'train/experts/0', 'eval/ce/MC', 'time/tokens_per_second']:
    assert tag in tags['scalars'], (tag, tags['scalars'])
samples = ['valid%d' % i for i in range(3)]  # a row of each task
assert sorted(tags['images']) == ['masks/' + key for key in samples] + ['router'], tags['images']
assert sorted(tags['audio']) == ['sounds/' + key for key in samples], tags['audio']
router = events.Images('router')
assert [image.step for image in router] == [2, 4] and (router[0].height, router[0].width) == (3 * 32, 3 * 32), router
mask = events.Images('masks/' + samples[0])[0]
assert mask.height == 64 + 8, mask
sound = events.Audio('sounds/' + samples[0])
assert len(sound) == 1 and sound[0].content_type == 'audio/wav' and sound[0].encoded_audio_string[:4] == b'RIFF', sound
assert sound[0].length_frames == 0.55 * 16000 and sound[0].sample_rate == 16000, sound[0].length_frames
text = {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in ['tables/answers', 'tables/router']}
assert text['tables/answers'].startswith('| key | task | label | answer |\n|---|---|---|---|\n| valid'), text
assert '| valid0 | ASR | one two | ' in text['tables/answers'], text
assert text['tables/router'].startswith('| task | expert 0 | expert 1 | expert 2 |\n|---|---|---|---|\n| ASR | 0.'), text
)";

TEST_F(Monitoring, TensorBoardShowsTasksRouterMasksSoundsAndAnswers) {
  USAM_NEEDS_ORACLE_PYTHON();
  ASSERT_EQ(train_tiny().code, 0);
  const auto read = run_command(oracle_python() + " " + folder_.write("read.py", kRead) + " " + path("run"));
  EXPECT_EQ(read.status, 0) << read.text;
}

// A TensorBoard of its own port, while it lives.
class Server {
 public:
  explicit Server(const std::string& logs) {
    const std::string command =
        "exec " + oracle_python() + " -m tensorboard.main --load_fast=false --port 0 --logdir " + logs + " 2>&1";
    int out[2];
    if (pipe(out) != 0) throw std::runtime_error("no pipe for TensorBoard");
    process_ = fork();
    if (process_ == 0) {
      dup2(out[1], 1);
      close(out[0]), close(out[1]);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    close(out[1]);
    char buffer[512];
    for (ssize_t n; address_.empty() && (n = read(out[0], buffer, sizeof buffer)) > 0;) {
      said_.append(buffer, static_cast<size_t>(n));
      const size_t at = said_.find("http://");
      if (at != std::string::npos && said_.find(' ', at) != std::string::npos)
        address_ = said_.substr(at, said_.find(' ', at) - at);
    }
    out_ = out[0];
  }
  ~Server() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    close(out_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  const std::string& address() const { return address_; }  // "" where it ended
  const std::string& said() const { return said_; }

 private:
  pid_t process_ = 0;
  int out_ = -1;
  std::string address_, said_;
};

// The text of a page with all shadow roots, and what its images and sounds are.
constexpr const char* kPage = R"((() => {
  const seen = {text: '', images: 0, sounds: 0};
  const walk = node => {
    if (node.nodeType === 3) seen.text += node.data + ' ';
    if (node.nodeName === 'IMG' && node.naturalWidth > 0 && node.src.includes('plugin/images')) ++seen.images;
    if (node.nodeName === 'AUDIO') ++seen.sounds;
    if (node.nodeName === 'IFRAME' && node.contentDocument) walk(node.contentDocument);
    if (node.shadowRoot) walk(node.shadowRoot);
    for (const child of node.childNodes) if (!['SCRIPT', 'STYLE'].includes(child.nodeName)) walk(child);
  };
  walk(document);
  return seen;
})())";

TEST_F(Monitoring, TensorBoardsPagesShowARun) {
  USAM_NEEDS_ORACLE_PYTHON();
  USAM_NEEDS_BROWSER();
  ASSERT_EQ(train_tiny().code, 0);
  const Server server(path("run"));
  ASSERT_NE(server.address(), "") << server.said();
  Browser browser;
  browser.resize(1400, 1000);
  browser.open(server.address());
  ASSERT_TRUE(
      browser.comes_true("fetch('data/plugin/images/tags').then(r => r.text()).then(t => t.includes('router'))", 60));
  const auto shows = [&](const std::string& page, const std::string& condition) {
    browser.open(server.address() + "?of=" + page + "#" + page);
    const bool shown = browser.comes_true("(p => " + condition + ")(" + kPage + ")", 60);
    EXPECT_TRUE(shown) << page << ": " << browser.evaluate(std::string(kPage) + ".text").dump().substr(0, 3000);
  };
  shows("timeseries", "p.text.includes('eval/ce') && p.text.includes('/ASR')");
  shows("images", "p.images > 0 && p.text.includes('router')");
  shows("text", "p.text.includes('valid0') && p.text.includes('one two')");
}

TEST_F(Monitoring, SamplesOfTensorBoardAreAnOption) {
  ASSERT_EQ(train_tiny("run.samples=0").code, 0);
  for (const auto& entry : std::filesystem::directory_iterator(path("run")))
    if (entry.path().filename().string().starts_with("events."))
      EXPECT_EQ(text_of(entry.path()).find("masks/valid"), std::string::npos);
}

TEST_F(Monitoring, PrometheusReadsHowTheRunStands) {
  const auto ended = train_tiny("run.prometheus=" + path("usam.prom"));
  ASSERT_EQ(ended.code, 0) << ended.errors;
  const std::string text = text_of(path("usam.prom"));
  for (const char* line : {"# TYPE usam_step gauge\n", "\"} 4\n", "name=\"ce/ASR\"} ", "usam_eval{", "usam_time{"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
  EXPECT_NE(ended.errors.find(" tokens/s, "), std::string::npos) << ended.errors;
  EXPECT_NE(ended.errors.find(", ce/ASR "), std::string::npos) << ended.errors;
  const auto refused = train_tiny("run.prometheus=" + path("no/usam.prom"));
  EXPECT_EQ(refused.code, 0);  // a file that cannot be written ends no run
  EXPECT_NE(refused.errors.find("DIR/no/"), std::string::npos) << refused.errors;
}

}  // namespace
}  // namespace usam::test
