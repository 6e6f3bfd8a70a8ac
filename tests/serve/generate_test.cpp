// usam-generate on more than a few files: folders, manifests, standard input, long audio, a terminal.
#include <pty.h>

#include "tests/serve/server.h"

namespace usam::test {
namespace {

std::vector<Json> lines_of(const std::string& output) {
  std::vector<Json> lines;
  std::istringstream in(output);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::string error_of(const std::string& arguments) {
  const auto ended = tiny().generate(arguments);
  EXPECT_EQ(ended.code, 2) << ended.output;
  EXPECT_EQ(ended.output, "");
  return ended.errors.substr(ended.errors.rfind('\n', ended.errors.size() - 2) + 1);
}

TEST(Generate, FoldersAreReadByName) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "b/c");
  for (const auto& [from, to] :
       std::map<std::string, std::string>{{"test0", "b/c/z.wav"}, {"test1", "b/a.WAV"}, {"test2", "c.wav"}})
    std::filesystem::copy_file(tiny().clip(from), folder.path() / to);
  folder.write("notes.txt", "no audio");
  folder.write("b/cover.png", "no audio");
  const auto ended = tiny().generate("--task ASR " + folder.path().string());
  ASSERT_EQ(ended.code, 0) << ended.errors;
  const auto lines = lines_of(ended.output);
  ASSERT_EQ(lines.size(), 3U);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"b/a.WAV", "test1"}, {"b/c/z.wav", "test0"}, {"c.wav", "test2"}};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(lines[i].at("audio"), (folder.path() / expected[i].first).string());
    EXPECT_EQ(lines[i].at("text"), tiny().text(expected[i].second));
  }
  EXPECT_NE(ended.errors.find("2 files in the folders are no audio by their names and were left out"),
            std::string::npos);
}

TEST(Generate, AManifestAsksItsOwnQuestions) {
  const auto manifest = tiny().corpus().path("test.jsonl");
  const auto ended = tiny().generate(manifest);
  ASSERT_EQ(ended.code, 0) << ended.errors;
  const auto lines = lines_of(ended.output);
  ASSERT_EQ(lines.size(), static_cast<size_t>(Corpus::kTest));
  EXPECT_EQ(lines[1].at("key"), "test1");
  EXPECT_EQ(lines[1].at("task"), "SEC");
  EXPECT_EQ(lines[1].at("text"), tiny().text("test1", "--task SEC"));
  const auto other = lines_of(tiny().generate("--prompt 'What is it?' " + manifest).output);
  EXPECT_EQ(other.at(1).at("text"), tiny().text("test1", "--prompt 'What is it?'"));
}

// Answers come while more paths may still come, in the paths' order.
TEST(Generate, StandardInputIsAnsweredLineByLine) {
  int in[2], out[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
  const auto checkpoint = tiny().checkpoint();
  const pid_t child = fork();
  if (child == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    std::freopen("/dev/null", "w", stderr);
    execl(USAM_GENERATE, USAM_GENERATE, "--checkpoint", checkpoint.c_str(), "--task", "ASR", "-", nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  const auto say = [&](const std::string& text) {
    ASSERT_EQ(write(in[1], text.data(), text.size()), std::ssize(text));
  };
  const auto hear = [&] {
    std::string line;
    for (char c; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    return Json::parse(line);
  };
  for (const char* name : {"test3", "test0"}) {
    say(tiny().clip(name) + "\n");
    EXPECT_EQ(hear().at("text"), tiny().text(name));
  }
  std::string many;
  for (int i = 0; i < 40; ++i) many += tiny().clip("test" + std::to_string(i % 6)) + (i % 2 ? "\n" : "\r\n\n");
  say(many + "absent.wav\n" + tiny().clip("test5"));
  close(in[1]);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(hear().at("audio"), tiny().clip("test" + std::to_string(i % 6)));
  EXPECT_TRUE(hear().contains("error"));
  EXPECT_EQ(hear().at("text"), tiny().text("test5"));
  close(out[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST(Generate, WhatCannotBeReadIsALine) {
  const TemporaryFolder folder;
  const auto bad = folder.write("bad.wav", "this is no audio");
  const auto ended = tiny().generate("--task ASR " + bad + " " + tiny().clip("test0"));
  EXPECT_EQ(ended.code, 1);
  const auto lines = lines_of(ended.output);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], (Json{{"audio", bad},
                            {"error", bad + ": cannot be read as audio: Format not recognised (wav, flac, ogg, opus, "
                                            "mp3, aiff, au, caf and w64 can)"}}));
  EXPECT_EQ(lines[1].at("text"), tiny().text("test0"));
  EXPECT_NE(ended.errors.find("1 of 2 clips could not be answered"), std::string::npos);
  EXPECT_EQ(
      error_of("--task ASR --on-error fail " + bad),
      bad +
          ": cannot be read as audio: Format not recognised (wav, flac, ogg, opus, mp3, aiff, au, caf and w64 can)\n");
}

TEST(Generate, LongAudioIsAnsweredInWindows) {
  const auto whole = tiny().generate("--task ASR --window 1 --overlap 0.25 --log-probs " + tiny().clip("long"));
  ASSERT_EQ(whole.code, 0) << whole.errors;
  const auto line = lines_of(whole.output).at(0);
  const auto cut = lines_of(tiny().generate("--task ASR --log-probs " + tiny().clip("long")).output).at(0);
  EXPECT_LT(line.at("log_prob").get<double>(), cut.at("log_prob").get<double>());  // that of several answers
  const auto shorter = tiny().generate("--task ASR --window 1.5 --overlap 0.25 " + tiny().clip("test0"));
  EXPECT_EQ(lines_of(shorter.output).at(0).at("text"), tiny().text("test0"));
}

TEST(Generate, ATerminalSeesTheTextComing) {
  const auto whole = tiny().text("test0");
  const auto streamed = tiny().generate("--task ASR --stream " + tiny().clip("test0"));
  EXPECT_EQ(streamed.output, whole + "\n");
  int terminal;
  const auto checkpoint = tiny().checkpoint(), clip = tiny().clip("test0");
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    execl(USAM_GENERATE, USAM_GENERATE, "--checkpoint", checkpoint.c_str(), "--task", "ASR", clip.c_str(), nullptr);
    _exit(127);
  }
  std::string heard;
  char buffer[4096];
  for (ssize_t count; (count = read(terminal, buffer, sizeof buffer)) > 0;)
    heard.append(buffer, static_cast<size_t>(count));
  waitpid(child, nullptr, 0);
  close(terminal);
  std::erase(heard, '\r');
  EXPECT_EQ(heard, whole + "\n");
}

TEST(Generate, StopsAndLengthsAreKept) {
  const auto whole = tiny().text("test0");
  ASSERT_GT(whole.size(), 4U);
  const auto stop = whole.substr(4, 1);
  EXPECT_EQ(tiny().text("test0", "--task ASR --stop '" + stop + "'"), whole.substr(0, whole.find(stop)));
  const auto longer = tiny().text("test0", "--task ASR --max-new-tokens 30 --min-new-tokens 30");
  EXPECT_GT(longer.size(), whole.size());
}

TEST(Generate, SaysWhatIsWrong) {
  const auto clip = tiny().clip("test0");
  EXPECT_EQ(error_of(clip), "Say what is asked about the audio: --task NAME or --prompt TEXT.\n");
  EXPECT_EQ(error_of("--task S " + clip),
            "There is no prompt for --task S; use one of AAC, ASR, MC, S2TT or SEC, or give --prompt.\n");
  const TemporaryFolder empty;
  EXPECT_EQ(error_of("--task ASR " + empty.path().string()),
            empty.path().string() + ": there is no audio in the folder.\n");
  EXPECT_EQ(error_of("--task ASR - -"), "Standard input (-) is named more than once.\n");
  EXPECT_EQ(error_of("--task ASR --stop '' " + clip), "--stop '' is an empty text, which every answer begins with.\n");
  EXPECT_EQ(error_of("--task ASR --overlap 1 " + clip), "--overlap is one of windows: give --window SECONDS, too.\n");
  EXPECT_EQ(error_of("--task ASR --window 1 --overlap 0.5 --beams 2 --n-best 2 " + clip),
            "--n-best cannot go with --window: the answers of several windows do not merge into a ranking.\n");
  EXPECT_EQ(
      error_of("--task ASR --stream --beams 2 " + clip),
      "--stream shows one answer while it is written: it cannot go with --beams, --n-best, --log-probs or --window.\n");
}

}  // namespace
}  // namespace usam::test
