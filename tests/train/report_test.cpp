// usam-inspect report and compare on runs of the real programs, in a browser.
#include "tests/browser.h"
#include "tests/train/process.h"

namespace usam::test {
namespace {

class RunReport : public ProgramTest {
 protected:
  Ended inspect(const std::string& arguments) const { return run(USAM_INSPECT, arguments); }
  // The page is as wide as the window, which holds nothing that a network would bring.
  void expect_sound(Browser& browser, const std::string& page) const {
    for (const int width : {1280, 390}) {
      browser.resize(width, 900, width < 500);
      browser.open("file://" + page);
      EXPECT_EQ(browser.evaluate("document.documentElement.dataset.script"), "ran");
      EXPECT_EQ(browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), true) << width;
    }
    EXPECT_EQ(browser.requests(), std::set<std::string>{"file://" + page});
    EXPECT_TRUE(browser.complaints().empty()) << browser.complaints().front();
  }
};

TEST_F(RunReport, AResumedRunInABrowser) {
  USAM_NEEDS_BROWSER();
  ASSERT_EQ(train_tiny().code, 0);
  const auto resumed = train_tiny("trainer.max_steps=6 trainer.log_every=1");
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  ASSERT_EQ(evaluate("configs/tests/tiny.yaml run.dir=" + path("run")).code, 0);
  const auto made = inspect("report " + path("run"));
  ASSERT_EQ(made.code, 0) << made.errors;
  EXPECT_EQ(made.output, "DIR/run/report.html\n");
  Browser browser;
  expect_sound(browser, path("run/report.html"));
  const auto number = [&](const std::string& selector) {
    return browser.evaluate("document.querySelectorAll('" + selector + "').length").get<int>();
  };
  EXPECT_GT(number("#losses svg polyline"), 4);
  EXPECT_EQ(number("#tasks figure"), 2);  // of training and of validation
  EXPECT_EQ(number("#experts .weights tbody tr"), 3);
  EXPECT_EQ(number("#samples article"), 3);
  EXPECT_GT(number("#evaluations table.headline"), 0);
  EXPECT_EQ(number("#environment tbody tr"), 2);
  EXPECT_EQ(browser.evaluate("[...document.querySelectorAll('img')].every(i => i.naturalWidth > 0)"), true);
  EXPECT_TRUE(browser.comes_true("[...document.querySelectorAll('audio')].every(a => a.readyState > 0)"));
  const auto shown = browser.evaluate("document.body.innerText").get<std::string>();
  for (const char* part :
       {"finished after 6 steps", "trained parameters", "valid0", "one two", "configs/tests/tiny.yaml"})
    EXPECT_NE(shown.find(part), std::string::npos) << part;
}

// The pointer over a curve reads its values; dark and light are different.
TEST_F(RunReport, CurvesAreReadUnderThePointer) {
  USAM_NEEDS_BROWSER();
  ASSERT_EQ(train_tiny().code, 0);
  ASSERT_EQ(inspect("report " + path("run")).code, 0);
  Browser browser;
  browser.resize(1280, 900);
  browser.open("file://" + path("run/report.html"));
  const auto loss = json_lines_of(path("run/metrics.jsonl")).front().at("loss").get<double>();
  const auto read = browser.evaluate(R"((() => {
    const figure = document.querySelector('#losses .curves'), svg = figure.querySelector('svg');
    const box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + 60, clientY: box.top + 50}));
    return [figure.querySelector('output').textContent, Number(figure.querySelector('.keys b').textContent)];
  })())");
  EXPECT_EQ(read[0], "step 1");
  EXPECT_NEAR(read[1].get<double>(), loss, 0.01 * loss);
  const std::string colour = "getComputedStyle(document.querySelector('.curves polyline').parentNode).stroke";
  browser.prefer("light");
  const auto light = browser.evaluate(colour);
  browser.prefer("dark");
  EXPECT_NE(browser.evaluate(colour), light);
}

TEST_F(RunReport, AProbeAndAnotherRunSideBySide) {
  USAM_NEEDS_BROWSER();
  ASSERT_EQ(train_tiny().code, 0);
  ASSERT_EQ(train("configs/tests/probe.yaml run.dir=" + path("probe")).code, 0);
  ASSERT_EQ(inspect("report " + path("probe")).code, 0);
  const auto compared = inspect("compare " + path("run") + " " + path("probe") + " --output " + path("both.html"));
  ASSERT_EQ(compared.code, 0) << compared.errors;
  for (const char* part : {"state ", "validation loss, last ", "trained parameters ", "recipe.type ", "usam ", "probe"})
    EXPECT_NE(compared.output.find(part), std::string::npos) << part << "\nin\n" << compared.output;
  Browser browser;
  expect_sound(browser, path("probe/report.html"));
  browser.open("file://" + path("both.html"));
  EXPECT_EQ(browser.evaluate("document.querySelector('#training figure').querySelectorAll('polyline').length"), 2);
}

// What a start keeps: the base of the config, what differs from it, the machine.
TEST_F(RunReport, StartsAreKept) {
  ASSERT_EQ(std::system(("git -C " + path("") + " init -q -b mine && git -C " + path("") +
                         " -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m one")
                            .c_str()),
            0);
  const std::string config = write_config("of_mine.yaml", "run: {dir: " + path("run") + "}\ntrainer: {max_steps: 1}\n");
  const auto ended = train(config + " trainer.log_every=1");
  ASSERT_EQ(ended.code, 0) << ended.errors;
  EXPECT_NE(ended.errors.find("Training on cpu."), std::string::npos) << ended.errors;
  const auto starts = json_lines_of(path("run/starts.jsonl"));
  ASSERT_EQ(starts.size(), 1U);
  const Json& start = starts[0];
  EXPECT_EQ(start.at("step"), 0);
  EXPECT_EQ(start.at("of"), 1);
  EXPECT_EQ(start.at("config"), config);
  EXPECT_EQ(start.at("overrides"), Json::array({"trainer.log_every=1"}));
  EXPECT_EQ(start.at("base"), std::filesystem::absolute("configs/tests/tiny.yaml").string());
  EXPECT_EQ(start.at("changed"), (Json{{"trainer.max_steps", {"20", "1"}}}));
  EXPECT_EQ(start.at("git").at("commit").get<std::string>().size(), 40U);
  EXPECT_EQ(start.at("git").at("branch"), "mine");
  EXPECT_EQ(start.at("git").at("changed"), 0);
  EXPECT_EQ(start.at("device"), "cpu");
  EXPECT_GT(start.at("trained").get<int64_t>(), 1000);
  EXPECT_TRUE(start.at("program").get<std::string>().starts_with("usam "));
  ASSERT_EQ(train(config + " trainer.log_every=1").code, 0);  // it is finished: that is no start
  EXPECT_EQ(json_lines_of(path("run/starts.jsonl")).size(), 1U);
}

}  // namespace
}  // namespace usam::test
