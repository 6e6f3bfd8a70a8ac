// usam-inspect report and compare, as a user runs them, on runs that the tests write.
#include <fmt/format.h>
#include <unistd.h>

#include "src/base/json.h"
#include "src/base/machine.h"
#include "src/io/tensorboard.h"
#include "tests/unit/inspect/support.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

constexpr const char* kConfig =
    "seed: 20\nrun: {dir: r}\ndata: {train: a.jsonl, long_audio: drop}\nrecipe: {type: their_own, lr_scale: 2}\n"
    "trainer: {max_steps: 4}\n";

class Runs : public UsamInspect {
 protected:
  std::string write(const std::string& run, const std::string& name, const std::string& text) const {
    fs::create_directories(path(run));
    return folder_.write(run + "/" + name, text);
  }
  // A run of two logged steps and an evaluation.
  std::string write_run(const std::string& run, const std::string& loss = "2.5",
                        const std::string& config = kConfig) const {
    write(run, "config.yaml", config);
    write(
        run, "metrics.jsonl",
        R"({"step": 2, "loss": 3, "ce": 3, "ce/ASR": 3, "lr": 0.1, "time": {"seconds": 0.5, "data": 0.2, "compute": 0.8}}
{"step": 4, "loss": 2, "ce": 2, "ce/ASR": 2, "lr": 0.2, "health": {"dead_expert/1": 1}, "time": {"seconds": 0.5, "compute": 1}}
{"step": 4, "eval": {"loss": )" +
            loss +
            R"(, "ce/ASR": 2.5, "ASR/wer": 0.25, "router/ASR/0": 0.75, "router/ASR/1": 0.25}, "time": {"seconds": 1}}
)");
    return path(run);
  }
  // The page of a run that can be read.
  std::string page_of(const std::string& run) const {
    const Outcome got = run_report(run);
    EXPECT_EQ(got.code, 0) << got.errors;
    return text(path(run + "/report.html"));
  }
  Outcome run_report(const std::string& name) const { return run("report " + path(name)); }
};

TEST_F(Runs, APageSaysWhereItIs) {
  write_run("a");
  const Outcome got = run_report("a");
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, path("a/report.html") + "\n");
  EXPECT_EQ(run("report " + path("a") + " --output " + path("b.html")).output, path("b.html") + "\n");
  const std::string page = text(path("b.html"));
  for (const char* part : {"finished after 4 steps", "dead_expert/1", "0.75", "their_own", "id=\"task-ASR\">ASR</th>",
                           "<td>wer ↓</td><td class=\"number\">–</td><td class=\"number\">0.25</td>",
                           "starts.jsonl, which tells of each start, is missing", "1.0 s</td><td class=\"number\">"})
    EXPECT_TRUE(holds(page, part)) << part;
}

TEST_F(Runs, WhatIsTornOrDamagedIsLeftOutAndNamed) {
  write_run("a");
  const std::string metrics = path("a/metrics.jsonl");
  std::string lines = text(metrics);
  lines.insert(lines.find('\n') + 1, "{\"step\": 3, \"loss\"\n{\"loss\": 1}\n[]\n");
  std::ofstream(metrics) << lines << R"({"step": 6, "lo)";
  fs::create_directories(path("a/evaluation"));
  folder_.write("a/evaluation/metrics.json", "{}");
  folder_.write("a/events.out.tfevents.1", "no events");
  folder_.write("a/starts.jsonl", "[]\n");
  fs::remove(path("a/config.yaml"));
  const Outcome got = run_report("a");
  EXPECT_EQ(got.code, 0) << got.errors;
  const auto left_out = [&](int line) {
    return fmt::format("note: {}:{}: the line is none of a run's metrics and is left out.\n", metrics, line);
  };
  EXPECT_EQ(got.output,
            path("a/report.html") + "\n" + left_out(2) + left_out(3) + left_out(4) + "note: " + metrics +
                ":7: the last line is not whole: it is being written, or was when the run ended.\nnote: " + path("a") +
                "/config.yaml is missing.\nnote: " + path("a") +
                "/starts.jsonl:1: the line does not tell of a start.\nnote: " + path("a") +
                "/events.out.tfevents.1: the end is torn: it is being written, or was when the run ended.\nnote: " +
                path("a/evaluation/metrics.json") + ": the file is not one that usam-eval writes.\n");
  EXPECT_TRUE(holds(text(path("a/report.html")), "a/config.yaml is missing."));
}

TEST_F(Runs, ARunThatHasJustBegun) {
  write("a", "metrics.jsonl", "");
  write("a", "config.yaml", kConfig);
  EXPECT_TRUE(holds(page_of("a"), "stopped at step 0 of 4"));
}

TEST_F(Runs, ARunThatIsUnderWay) {
  write("a", "metrics.jsonl", "{\"step\": 3, \"loss\": 1}\n");
  write("a", "config.yaml", kConfig);
  fs::create_directories(path("a/ranks"));
  const auto write_rank = [&](const std::string& time, int64_t pid) {
    const Json rank = {{"host", host_name()}, {"pid", pid}, {"time", time}, {"phase", "forward"}};
    folder_.write("a/ranks/rank-0.json", rank.dump());
  };
  write_rank(utc_time(), getpid());
  EXPECT_TRUE(holds(page_of("a"), "under way at step 3 of 4, forward"));
  write_rank("2026-01-01T00:00:00Z", getpid());
  EXPECT_TRUE(holds(page_of("a"), "stopped at step 3 of 4"));
  write_rank(utc_time(), 1 << 30);  // no process has that number
  EXPECT_TRUE(holds(page_of("a"), "stopped at step 3 of 4"));
}

// Numbers that nobody can draw, names without end, values of other types.
TEST_F(Runs, StrangeNumbers) {
  write_run("a");
  std::ofstream metrics(path("a/metrics.jsonl"), std::ios::app);
  metrics << R"({"step": 900000000000000000, "loss": 1e300, "ce": -1e29, "time": 3, "health": 1, "epoch": 7})" << "\n";
  metrics << R"({"step": -5, "loss": null, "ce": "x", "": 1, "/": 2, "router/": 3})" << "\n";
  metrics << R"({"step": 7, "eval": 4})" << "\n" << R"({"step": 8, "eval": {"router/": 1, "router/A/": 2}})" << "\n";
  for (int i = 0; i < 3000; ++i) metrics << R"({"step": 9, "eval": {"figure)" << i << "\": 1}}\n";
  metrics.close();
  EXPECT_LT(page_of("a").size(), 1'000'000U);
}

TEST_F(Runs, WhatComesFromOutsideIsEscaped) {
  const std::string evil = "<script>alert(1)</script>\"'";
  write_run("a", "2.5", "seed: 20\nrecipe: {type: \"<script>alert(2)\"}\n");
  const Json line = {{"step", 5}, {"eval", {{evil, 1}, {"ce/" + evil, 1}, {"router/" + evil + "/" + evil, 1}}}};
  const Json step = {{"step", 5}, {evil, 1}, {"ce/" + evil, 1}, {"health", {{evil, 1}}}, {"epoch", {{"number", evil}}}};
  std::ofstream(path("a/metrics.jsonl"), std::ios::app) << line.dump() << "\n" << step.dump() << "\n";
  const Json start = {{"time", evil},
                      {"config", evil},
                      {"overrides", {evil}},
                      {"base", evil},
                      {"host", evil},
                      {"changed", {{evil, {evil, evil}}}},
                      {"git", {{"commit", evil}, {"branch", evil}}},
                      {"libraries", {{evil, evil}}}};
  write("a", "starts.jsonl", start.dump() + "\n");
  write("a", "javascript:alert(3)", "");
  fs::remove(path("a/javascript:alert(3)"));
  fs::create_directories(path("a/javascript:alert(3)"));
  folder_.write("a/javascript:alert(3)/report.html", "");
  const Json tasks = {{evil, {{"n", 1}, {"wer", 0.5}, {"majority", {{"wer", 1}}}, {"failures", {{evil, 1}}}}}};
  folder_.write("a/javascript:alert(3)/metrics.json", Json{{"tasks", tasks}}.dump());
  {
    io::EventWriter events(path("a"));
    events.text("tables/answers", 5,
                "| key | task | label | answer |\n|---|---|---|---|\n| " + evil + " | " + evil +
                    " | &lt;img src=x> | a \\| b |\n");
    events.image("masks/" + evil, 5, torch::zeros({2, 2}, torch::kByte));
  }
  const std::string page = page_of("a");
  EXPECT_EQ(count_of(page, "<script"), 1U);
  EXPECT_EQ(count_of(page, "<img src=x"), 0U);
  EXPECT_FALSE(holds(page, "\"javascript:"));
  EXPECT_GE(count_of(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;"), 20U);
  EXPECT_TRUE(holds(page, "<dd>&lt;img src=x&gt;</dd>"));
  EXPECT_TRUE(holds(page, "<dd>a | b</dd>"));
  write_run("b");
  ASSERT_EQ(run("compare " + path("a") + " " + path("b") + " --output " + path("c.html")).code, 0);
  EXPECT_EQ(count_of(text(path("c.html")), "<script"), 1U);
}

// What a resumed run did again does not show what it was at first.
TEST_F(Runs, AResumedRunShowsWhatCounts) {
  write_run("a");
  const auto table = [](const std::string& answer) {
    return "| key | task | label | answer |\n|---|---|---|---|\n| k | ASR | one | " + answer + " |\n";
  };
  {
    io::EventWriter first(path("a"));
    first.text("tables/answers", 2, table("kept"));
    first.text("tables/answers", 4, table("done again"));
  }
  {
    io::EventWriter second(path("a"), 3);
    second.text("tables/answers", 4, table("last"));
  }
  write("a", "starts.jsonl", R"({"time": "2026-01-01T00:00:00Z", "step": 0, "host": "first-host"}
{"time": "2026-01-02T00:00:00Z", "step": 2, "of": 9, "host": "second-host", "ranks": 2, "device": "cuda:0"}
)");
  const std::string page = page_of("a");
  EXPECT_TRUE(holds(page, "<dd>last</dd>"));
  EXPECT_TRUE(holds(page, "<td>kept</td>"));
  EXPECT_FALSE(holds(page, "done again</td>"));
  EXPECT_TRUE(holds(page, "class=\"resumed\""));
  EXPECT_TRUE(holds(page, "stopped at step 4 of 9"));
  EXPECT_TRUE(holds(page, "first-host"));
  EXPECT_TRUE(holds(page, "2 x cuda:0, second-host"));
}

TEST_F(Runs, ALongRunMakesASmallPage) {
  write("a", "config.yaml", kConfig);
  std::string lines;
  for (int step = 1; step <= 100'000; ++step)
    lines += fmt::format(R"({{"step": {}, "loss": {}, "ce": 1, "ce/ASR": {}}})", step, 1 + step % 7, step % 3) + "\n";
  write("a", "metrics.jsonl", lines);
  const std::string page = page_of("a");
  EXPECT_LT(page.size(), 200'000U);
  EXPECT_TRUE(holds(page, "<polygon"));
}

TEST_F(Runs, SideBySide) {
  write_run("a");
  write_run("b", "2.25", std::string(kConfig) + "evaluate: {max_new_tokens: 8}\n");
  write("b", "starts.jsonl",
        R"({"trained": 12300, "git": {"commit": "0123456789abcdef", "branch": "main", "changed": 2}})"
        "\n");
  const Outcome got = run("compare " + path("a") + " " + path("b"));
  EXPECT_EQ(got.code, 0) << got.errors;
  EXPECT_EQ(got.output, R"(run                    a                         b
state                  finished after 4 steps    finished after 4 steps
training loss          2, from step 4 on         2, from step 4 on
validation loss, last  2.5 at step 4             2.25 at step 4 *
a step takes           0.5 s                     0.5 s
trained parameters     -                         12.3 k
starts                 -                         1
git                    -                         0123456789ab, main, 2 files changed

validation, at the best checkpoint  a       b
loss                                2.5     2.25 *
ce/ASR                              2.5     2.5
ASR/wer                             0.25    0.25
* the best of the runs

config                   a   b
evaluate.max_new_tokens  -   8
)");
  EXPECT_TRUE(
      run("compare " + path("a") + " " + path("a")).output.ends_with("The configs are the same, run.dir aside.\n"));
}

// A probe has no loss by task that would tell which names are tasks.
TEST_F(Runs, FiguresOfAnswersAreOfTheirTask) {
  const auto write_probe = [&](const std::string& run, double error) {
    const Json figures = {{"loss", 1}, {"SEC/accuracy", 0.5}, {"SEC/n", 2}, {"tasks/error", error}};
    write(run, "config.yaml", kConfig);
    write(run, "metrics.jsonl", Json{{"step", 4}, {"eval", figures}}.dump() + "\n");
  };
  write_probe("a", 0.5);
  write_probe("b", 0.25);
  const std::string page = page_of("a");
  EXPECT_TRUE(holds(page, "rowspan=\"2\" id=\"task-SEC\">SEC</th>"));
  EXPECT_FALSE(holds(page, "id=\"task-n\""));
  EXPECT_FALSE(holds(page, "id=\"task-error\""));
  EXPECT_TRUE(holds(page, "<td>tasks/error ↓</td>"));
  const Outcome got = run("compare " + path("a") + " " + path("b"));
  EXPECT_TRUE(holds(got.output, "0.25 *\n")) << got.output;
}

TEST_F(Runs, UserErrors) {
  expect_user_error("report " + path("none"), path("none") + ": there is no such folder.");
  fs::create_directories(path("empty"));
  expect_user_error("report " + path("empty"),
                    path("empty") + " is not the folder of a run: it holds no metrics.jsonl.");
  write("begun", "config.yaml", kConfig);
  expect_user_error("report " + path("begun"),
                    path("begun") +
                        " is not the folder of a run: it holds no metrics.jsonl. A run that has begun to "
                        "train has one.");
  write("checkpoint-4", "config.yaml", kConfig);
  write("checkpoint-4", "model.safetensors", "");
  expect_user_error("report " + path("checkpoint-4"),
                    path("checkpoint-4") + " is a checkpoint: give the folder of its run, which holds it.");
  write_run("a");
  expect_user_error("report " + path("a/config.yaml"), path("a/config.yaml") + ": there is no such folder.");
  expect_user_error("compare " + path("a"),
                    "compare needs two runs or more; usam-inspect report " + path("a") + " shows one.");
  expect_user_error("compare " + path("a") + " " + path("none"), path("none") + ": there is no such folder.");
  EXPECT_EQ(run("report").code, 2);
  EXPECT_EQ(run("compare").code, 2);
}

}  // namespace
}  // namespace usam::test
