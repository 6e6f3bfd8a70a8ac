// usam-eval: its report in a browser, and evaluations that are killed and go on.
#include <regex>
#include <thread>

#include "tests/browser.h"
#include "tests/hanging_file.h"
#include "tests/ranks.h"
#include "tests/train/process.h"

namespace usam::test {
namespace {

class Evaluation : public ProgramTest {
 protected:
  void SetUp() override { ASSERT_EQ(train_tiny().code, 0); }

  std::string command(const std::string& output, const std::string& more = "") const {
    return std::string(USAM_EVAL) + " configs/tests/tiny.yaml evaluate.batch_rows=1 run.dir=" + path("run") +
           " --output " + path(output) + " " + more;
  }
};

class Report : public Evaluation {};

TEST_F(Report, IsWholeInABrowser) {
  USAM_NEEDS_BROWSER();
  corpus_.add_row("test", "hostile", sound(300, 0.6), {},
                  {{"label", "<script>document.title='bad'</script><b>three</b>"}, {"task", "ASR"}, {"dur", 0.6}});
  const auto ended = run(command("page"), "");
  ASSERT_EQ(ended.code, 0) << ended.errors;
  Browser browser;
  browser.open("file://" + path("page/report.html"));
  const auto count = [&](const std::string& selector) {
    return browser.evaluate("document.querySelectorAll('" + selector + "').length").get<int>();
  };
  EXPECT_EQ(browser.evaluate("document.documentElement.dataset.script"), "ran");
  EXPECT_EQ(browser.evaluate("document.title"), "run · checkpoint-4");
  EXPECT_EQ(count("table.headline"), 1);
  EXPECT_EQ(count("table.headline tbody"), 3);  // ASR, SEC, MC
  // The baselines of all metrics stand in one column.
  EXPECT_EQ(browser.evaluate("new Set([...document.querySelectorAll('table.headline tr')].map(r => "
                             "[...r.querySelectorAll('.number')].at(-1).getBoundingClientRect().right)).size"),
            1);
  EXPECT_EQ(count("table.tags tbody tr"), 3);  // bright, calm, dark
  EXPECT_EQ(count("svg.matrix"), 1);
  EXPECT_EQ(count(".card"), 7);
  for (const char* part : {"audio", "img.spectrogram", "svg.mask", "svg.significance", ".router"})
    EXPECT_EQ(count(std::string(".card ") + part), 7) << part;
  EXPECT_EQ(count(".router .bar"), 21);
  EXPECT_EQ(count(".card script, .card dd b"), 0);
  EXPECT_EQ(browser.evaluate("[...document.querySelectorAll('.card dd')].some(e => "
                             "e.textContent == \"<script>document.title='bad'</script><b>three</b>\")"),
            true);
  // The clips are in the page, and can be played and drawn.
  EXPECT_TRUE(browser.comes_true("[...document.querySelectorAll('audio')].every(a => a.readyState > 0)"));
  EXPECT_EQ(browser.evaluate("[...document.images].every(i => i.complete && i.naturalHeight == 64)"), true);
  EXPECT_EQ(browser.evaluate("[...document.querySelectorAll('.heard')].every(h => "
                             "Math.abs(h.querySelector('audio').duration - h.dataset.seconds) < 0.01)"),
            true);
  // A click in the middle of a spectrogram plays from there, with a line that follows.
  browser.evaluate(
      "{const p = document.querySelector('.picture'), b = p.getBoundingClientRect(); "
      "p.dispatchEvent(new MouseEvent('click', {clientX: b.left + b.width / 2}))}");
  EXPECT_TRUE(browser.comes_true("parseFloat(document.querySelector('.playhead').style.left) >= 45"));
  EXPECT_EQ(browser.complaints(), std::vector<std::string>());
  EXPECT_EQ(browser.requests(), (std::set<std::string>{"file://" + path("page/report.html")}));
}

TEST_F(Report, FitsAPhone) {
  USAM_NEEDS_BROWSER();
  ASSERT_EQ(run(command("page"), "").code, 0);
  Browser browser;
  browser.resize(360, 800, true);
  browser.prefer("dark");
  browser.open("file://" + path("page/report.html"));
  EXPECT_EQ(browser.evaluate("document.documentElement.scrollWidth"), 360);
  EXPECT_EQ(browser.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(22, 22, 24)");
}

TEST_F(Report, LinksToWhatHasNoRoom) {
  USAM_NEEDS_BROWSER();
  ASSERT_EQ(run(command("page", "evaluate.report.audio_megabytes=0 evaluate.report.examples=1"), "").code, 0);
  Browser browser;
  browser.open("file://" + path("page/report.html"));
  EXPECT_EQ(browser.evaluate("document.querySelectorAll('.card').length"), 3);
  EXPECT_EQ(browser.requests().size(), 1U);  // nothing is fetched before it is played
  browser.evaluate("document.querySelector('audio').load(), document.querySelector('audio').play()");
  EXPECT_TRUE(browser.comes_true("document.querySelector('audio').readyState > 0"));
  EXPECT_EQ(browser.requests().size(), 2U);
}

class ResumedEvaluation : public Evaluation {
 protected:
  // Answers that are kept in OUTPUT/partial.
  int64_t kept(const std::string& output) const {
    int64_t lines = 0;
    std::error_code absent;
    for (const auto& file : std::filesystem::directory_iterator(path(output + "/partial"), absent)) {
      const std::string text = text_of(file);
      lines += std::max<int64_t>(std::count(text.begin(), text.end(), '\n') - 1, 0);
    }
    return lines;
  }
  // Starts an evaluation that hangs at the fifth of the six samples, and kills it when it has `answers`.
  void kill_at(int64_t answers, int world, const std::string& output, const std::string& more = "") const {
    const HangingFile hanging(corpus_.path("test4.wav"));
    ASSERT_TRUE(hanging.hangs());
    Ranks ranks(world, free_port(), command(output, "--explain " + more));
    for (int i = 0; i < 1000 && kept(output) < answers; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_GE(kept(output), answers);
    for (int rank = 0; rank < world; ++rank) ranks.send(rank, SIGKILL);
    for (const auto& ended : ranks.wait()) EXPECT_EQ(ended.status, -1) << ended.errors;
    EXPECT_FALSE(std::filesystem::exists(path(output + "/metrics.json")));
  }
  // Goes on; what the first rank says.
  std::string go_on(int world, const std::string& output, const std::string& more = "") const {
    const auto ended = run_ranks(world, free_port(), command(output, "--explain " + more));
    for (const auto& rank : ended) EXPECT_EQ(rank.status, 0) << rank.errors;
    EXPECT_FALSE(std::filesystem::exists(path(output + "/partial")));
    return ended[0].errors;
  }
  void expect_alike(const std::string& one, const std::string& other) const {
    for (const char* file : {"/metrics.json", "/hypotheses.jsonl", "/explained.jsonl"})
      EXPECT_EQ(text_of(path(one + file)), text_of(path(other + file))) << file;
    const auto page = [&](const std::string& output) {
      return std::regex_replace(text_of(path(output + "/report.html")), std::regex("<dd>\\d{4}-\\d\\d-\\d\\dT[^<]*"),
                                "");
    };
    EXPECT_TRUE(page(one) == page(other));
  }
};

TEST_F(ResumedEvaluation, WritesWhatAnUndisturbedOneWrites) {
  EXPECT_EQ(go_on(1, "whole").find("answered before"), std::string::npos);
  kill_at(3, 1, "killed");
  // A line that the kernel did not get whole.
  std::ofstream(path("killed/partial/rank-0.jsonl"), std::ios::app) << R"({"row":4,"text":"to)";
  const auto told = go_on(1, "killed");
  EXPECT_TRUE(std::regex_search(told, std::regex("[34] of 6 samples were answered before and are not decoded again")))
      << told;
  expect_alike("killed", "whole");
}

TEST_F(ResumedEvaluation, OnAnyNumberOfRanks) {
  go_on(1, "whole");
  kill_at(4, 2, "killed");
  kill_at(4, 3, "killed");  // again, before it is done
  const auto told = go_on(1, "killed");
  EXPECT_TRUE(std::regex_search(told, std::regex("[45] of 6 samples were answered before"))) << told;
  expect_alike("killed", "whole");
  kill_at(3, 1, "split");
  go_on(3, "split");
  expect_alike("split", "whole");
}

TEST_F(ResumedEvaluation, StartsAnewWhenSomethingElseIsAsked) {
  go_on(1, "shorter", "evaluate.max_new_tokens=2");
  kill_at(3, 1, "killed");
  const auto told = go_on(1, "killed", "evaluate.max_new_tokens=2 evaluate.report.examples=10");
  const std::string sentence =
      "/killed/partial holds answers of an evaluation that differs in the config: they are thrown away";
  EXPECT_NE(told.find(sentence), std::string::npos) << told;
  EXPECT_EQ(told.find("answered before"), std::string::npos) << told;
  expect_alike("killed", "shorter");
}

TEST_F(ResumedEvaluation, StartsAnewWhenAsked) {
  go_on(1, "whole");
  kill_at(3, 1, "killed");
  const auto told = go_on(1, "killed", "--fresh");
  EXPECT_EQ(told.find("partial"), std::string::npos) << told;
  EXPECT_EQ(told.find("answered before"), std::string::npos) << told;
  expect_alike("killed", "whole");
}

}  // namespace
}  // namespace usam::test
