// Members of tars as recordings, and tars that are not what they should be.
#include <filesystem>
#include <map>

#include "data/audio/bytes.h"
#include "data/audio/decode.h"
#include "data/sources/shard_paths.h"
#include "data/sources/tar_scan.h"
#include "data/tar_header.h"
#include "tests/unit/data/tars.h"

namespace usam::data {
namespace {

using namespace test_support;

std::vector<TarMember> members_of(const std::string& path) {
  std::vector<TarMember> members;
  scan_tar(path, [&](const TarMember& member) { members.push_back(member); });
  return members;
}

AudioRef ref_of(const std::string& path, const TarMember& member) {
  return {.path = path, .member = member.name, .begin = member.begin, .bytes = member.bytes};
}

class TarFiles : public testing::Test {
 protected:
  std::string write(const std::string& bytes) const { return folder_.write("a.tar", bytes); }
  // What is said of a tar of these bytes, without its name.
  std::string problem_of(const std::string& bytes) const {
    const std::string path = write(bytes);
    const std::string message = test::message_of([&] { members_of(path); });
    EXPECT_TRUE(message.empty() || message.starts_with(path + ": ")) << message;
    return message.empty() ? "" : message.substr(path.size() + 2);
  }
  test::TemporaryFolder folder_;
};

TEST_F(TarFiles, AMemberIsHeardAsTheFileThatItIs) {
  USAM_NEEDS_SHARED();
  // Every format, with what is misaligned and what is large around it.
  const auto formats = test::shared_folder() / "data/formats";
  std::string bytes;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(formats)) {
    if (entry.path().extension() == ".jsonl" || entry.path().extension() == ".m4a") continue;
    names.push_back(entry.path().filename());
    bytes +=
        tar_member("noise" + names.back(), std::string(700, 'x')) + tar_member(names.back(), file_bytes(entry.path()));
  }
  const std::string path = write(bytes + tar_end());
  std::map<std::string, TarMember> members;
  for (const auto& member : members_of(path)) members[member.name] = member;
  ASSERT_GE(names.size(), 40u);
  for (const auto& name : names) {
    const AudioRef audio = ref_of(path, members.at(name));
    const std::string file = (formats / name).string();
    const audio::Audio whole = audio::decode(file);
    EXPECT_TRUE(torch::equal(audio::decode(audio).samples, whole.samples)) << name;
    EXPECT_EQ(audio::probe(audio).seconds, audio::probe(file).seconds) << name;
    const audio::Part part{0.25, 0.5};
    EXPECT_TRUE(torch::equal(audio::decode(audio, 9, part).samples, audio::decode(file, 9, part).samples)) << name;
  }
}

// The reader that is kept for consecutive parts is one member's, not one tar's.
TEST_F(TarFiles, PartsOfTwoMembersInTurn) {
  USAM_NEEDS_SHARED();
  const auto formats = test::shared_folder() / "data/formats";
  const std::string a = (formats / "speech_16k_mono.mp3").string(),
                    b = (formats / "music_44k1_stereo_vbr.mp3").string();
  const std::string path = write(tar_member("a.mp3", file_bytes(a)) + tar_member("b.mp3", file_bytes(b)) + tar_end());
  const auto members = members_of(path);
  for (int i = 0; i < 3; ++i) {
    const audio::Part part{0.1 * i, 0.1};
    EXPECT_TRUE(
        torch::equal(audio::decode(ref_of(path, members[0]), 9, part).samples, audio::decode(a, 9, part).samples));
    EXPECT_TRUE(
        torch::equal(audio::decode(ref_of(path, members[1]), 9, part).samples, audio::decode(b, 9, part).samples));
  }
}

TEST_F(TarFiles, NamesOfEveryKind) {
  const std::string longer = std::string(150, 'd') + "/" + std::string(120, 'n') + ".wav";
  const std::string path =
      write(tar_member("a.wav", "1") + gnu_long(longer, "22") + pax_long(longer + "2", "333") +
            pax_long("音.wav", "4") + tar_member("\xe9t\xe9.wav", "5") + tar_member("/etc/passwd.wav", "6") +
            tar_member("../../up.wav", "7") + tar_member("dir/", "", '5') + tar_member("._a.wav", "x") + tar_end());
  std::vector<std::string> names;
  for (const auto& member : members_of(path)) {
    EXPECT_EQ(member.problem, "") << member.name;
    EXPECT_EQ(file_bytes(path).substr(static_cast<size_t>(member.begin), static_cast<size_t>(member.bytes)).size(),
              static_cast<size_t>(member.bytes));
    names.push_back(member.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"a.wav", longer, longer + "2", "音.wav", "\\xe9t\\xe9.wav",
                                             "/etc/passwd.wav", "../../up.wav"}));
}

// Nothing that a tar may name is opened, made or followed.
TEST_F(TarFiles, WhatIsNoFileIsNamed) {
  const std::string path = write(tar_link("hard.wav", "a.wav", '1') + tar_link("soft.wav", "/etc/passwd", '2') +
                                 tar_link("char.wav", "", '3') + tar_link("block.wav", "", '4') +
                                 tar_link("pipe.wav", "", '6') + tar_member("good.wav", "x") + tar_end());
  std::map<std::string, std::string> problems;
  for (const auto& member : members_of(path)) problems[member.name] = member.problem;
  EXPECT_EQ(problems, (std::map<std::string, std::string>{{"hard.wav", "a hard link, which is never followed"},
                                                          {"soft.wav", "a symbolic link, which is never followed"},
                                                          {"char.wav", "a character device"},
                                                          {"block.wav", "a block device"},
                                                          {"pipe.wav", "a named pipe"},
                                                          {"good.wav", ""}}));
}

TEST_F(TarFiles, SparseFilesAreNamed) {
  // pax 0.1: a map of one stretch of 3 bytes in a file of 1 TB.
  const std::string records = pax_record("GNU.sparse.size", "1099511627776") + pax_record("GNU.sparse.numblocks", "1") +
                              pax_record("GNU.sparse.map", "0,3") + pax_record("GNU.sparse.name", "holes.wav");
  const std::string path =
      write(tar_member("PaxHeaders/x", records, 'x') + tar_member("GNUSparseFile/holes.wav", "abc") + tar_end());
  const std::string said = test::message_of([&] {
    for (const auto& member : members_of(path)) user_error("{}", member.problem);
  });
  // Refused as sparse, or as what reaches beyond the end: never a sample of a terabyte.
  EXPECT_TRUE(said == "a sparse file" || said.find("ends before this member") != std::string::npos) << said;
}

TEST_F(TarFiles, SizesThatAreNone) {
  const std::string good = tar_member("a.wav", "abc");
  const auto with_size = [&](const std::string& size) {
    return problem_of(good + tar_block({"b.wav", size}) + tar_end());
  };
  EXPECT_EQ(with_size("77777777777"),
            "b.wav: the tar shard ends before this member of 8589934591 bytes does: it is cut off or damaged; write or "
            "copy it again");
  EXPECT_NE(with_size(std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)), "");
  EXPECT_NE(with_size(std::string(12, '\xff')), "");
  for (const std::string size : {"zzzzzzzzzzz", "-0000000001", "           "}) {
    // Taken for nothing, or refused: never for more than is there.
    const std::string path = write(good + tar_block({"b.wav", size}) + tar_end());
    const std::string message = test::message_of([&] {
      for (const auto& member : members_of(path)) {
        EXPECT_LE(member.begin + member.bytes, 3 * 512 + 1024);
        if (member.name == "b.wav") EXPECT_FALSE(member.problem.empty() && member.bytes > 0) << size;
      }
    });
    EXPECT_TRUE(message.empty() || message.starts_with(path + ": ")) << message;
  }
}

// A pax header may tell another size than the header block: which of the two a reader believes must not matter.
TEST_F(TarFiles, SizesThatContradictEachOther) {
  const std::string bytes = std::string(1024, 'x');
  const std::string path = write(tar_member("PaxHeaders/x", pax_record("size", "600"), 'x') +
                                 tar_block({"a.wav", octal_size(3)}) + padded(bytes) + tar_end());
  const auto members = members_of(path);
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0].problem, "its headers contradict each other about its size");
}

TEST_F(TarFiles, WholeShardsThatCannotBeRead) {
  const std::string good = tar_member("a.wav", std::string(2000, 'x'));
  EXPECT_EQ(problem_of(""), "the tar shard is empty; write it again");
  EXPECT_EQ(problem_of(good.substr(0, 1500)),
            "a.wav: the tar shard ends before this member of 2000 bytes does: it is cut off or damaged; write or copy "
            "it again");
  EXPECT_EQ(problem_of("\x1f\x8b" + good),
            "a tar shard that is compressed (gzip) cannot be read at random places; unpack it (audio hardly shrinks) "
            "or write the shards again as plain .tar");
  EXPECT_EQ(problem_of(good + tar_end() + good + tar_end()),
            "further data follows behind the end of the tar (at byte 3584), as if tars had been joined; unpack it with "
            "tar --ignore-zeros and write the shards again");
  EXPECT_NE(problem_of("no tar at all").find("the tar shard is damaged or no tar"), std::string::npos);
  EXPECT_NE(problem_of(std::string(10240, 'n')).find("the tar shard is damaged or no tar"), std::string::npos);
  EXPECT_NE(problem_of(good + std::string(512, 'n') + tar_end()).find("the tar shard is damaged"), std::string::npos);
  EXPECT_NE(problem_of(good.substr(0, 300)), "");
  EXPECT_EQ(problem_of(tar_end()), "");
  EXPECT_EQ(test::message_of([&] { members_of("/none.tar"); }),
            "/none.tar: the tar shard cannot be read: No such file or directory");
  EXPECT_EQ(test::message_of([&] { members_of(folder_.path().string()); }),
            folder_.path().string() + ": the tar shard is not a file");
}

// Every prefix of a tar, and every byte of its headers changed: members that are there, or a sentence.
TEST_F(TarFiles, AnyDamageIsToldOrHarmless) {
  const std::string wav = wav_of(0.01);
  const std::string whole = tar_member("a.wav", wav) + gnu_long(std::string(200, 'n') + ".wav", wav) +
                            pax_long(std::string(200, 'p') + ".wav", wav) + tar_end();
  const auto check = [&](const std::string& bytes) {
    const std::string path = write(bytes);
    try {
      for (const auto& member : members_of(path)) {
        ASSERT_LE(member.begin + member.bytes, std::ssize(bytes));
        if (member.problem.empty()) test::message_of([&] { audio::decode(ref_of(path, member)); });
      }
    } catch (const UserError& e) {
      ASSERT_TRUE(std::string(e.what()).starts_with(path + ": ")) << e.what();
    }
  };
  for (size_t size = 0; size < whole.size(); size += 101) check(whole.substr(0, size));
  for (size_t at = 0; at < whole.size(); at += 13) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] + 1 + static_cast<int>(at % 250));
    check(changed);
  }
}

TEST_F(TarFiles, AShardThatChangesWhileItIsUsed) {
  const std::string wav = wav_of(0.5);
  const std::string whole = tar_member("a.wav", wav) + tar_member("b.wav", wav) + tar_end();
  const std::string path = write(whole);
  const AudioRef b = ref_of(path, members_of(path).at(1));
  EXPECT_EQ(audio::decode(b).samples.numel(), 8000);
  std::filesystem::resize_file(path, 1000);
  EXPECT_EQ(test::message_of([&] { audio::decode(b); }),
            path +
                ": b.wav: the tar shard ends at byte 1000, before this member does: it was cut off after it was "
                "indexed");
  write(tar_member("c.wav", std::string(600, 'x')) + whole);
  EXPECT_EQ(test::message_of([&] { audio::decode(b); }),
            path + ": b.wav: the tar shard was changed after it was indexed: the member is not where it was");
  std::filesystem::remove(path);
  EXPECT_EQ(test::message_of([&] { audio::probe(b); }), path + ": b.wav: the tar shard does not exist");
}

TEST_F(TarFiles, AnEmptyMember) {
  const std::string path = write(tar_member("a.wav", "") + tar_end());
  EXPECT_EQ(test::message_of([&] { audio::decode(ref_of(path, members_of(path).at(0))); }),
            path + ": a.wav: the audio file is empty");
}

TEST(TarHeader, Sizes) {
  EXPECT_EQ(tar_member_size(tar_block({"a", octal_size(1234)})), 1234);
  EXPECT_EQ(tar_member_size(tar_block({"a", std::string("\x80\0\0\0\0\0\0\2\0\0\0\1", 12)})), (2LL << 24 << 8) + 1);
  EXPECT_EQ(tar_member_size(tar_block({"a", "   17 "})), 15);
  EXPECT_EQ(tar_member_size(tar_block({"a", std::string("\x80\xff\0\0\0\0\0\0\0\0\0\0", 12)})), std::nullopt);
  EXPECT_EQ(tar_member_size(tar_block({"a", "8"})), std::nullopt);
  EXPECT_EQ(tar_member_size(tar_block({"a", "-1"})), std::nullopt);
  EXPECT_EQ(tar_member_size(std::string(512, '\0')), std::nullopt);
  std::string changed = tar_block({"a", octal_size(1234)});
  changed[0] = 'b';
  EXPECT_EQ(tar_member_size(changed), std::nullopt);
}

TEST(Utf8, BytesThatAreNone) {
  EXPECT_EQ(as_utf8("a é 音 \U0001F3B5"), "a é 音 \U0001F3B5");
  EXPECT_EQ(as_utf8("\xe9"), "\\xe9");
  EXPECT_EQ(as_utf8("\xc0\xaf"), "\\xc0\\xaf");                    // too long a form
  EXPECT_EQ(as_utf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // half of a pair
  EXPECT_EQ(as_utf8("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");  // beyond the last
  EXPECT_EQ(as_utf8("\xe9\x9f"), "\\xe9\\x9f");
}

TEST(ShardPaths, RangesListsAndPatterns) {
  const test::TemporaryFolder folder;
  const std::string f = folder.path().string() + "/";
  for (const char* name : {"s-08.tar", "s-09.tar", "s-10.tar", "x.tar", "audio_0.tar", "audio_1.tar", "notes.txt"})
    folder.write(name, "x");
  const auto of = [&](const std::string& pattern) {
    std::vector<std::string> names;
    for (const auto& path : shard_paths(f + pattern)) names.push_back(path.substr(f.size()));
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(of("s-{08..10}.tar"), (Names{"s-08.tar", "s-09.tar", "s-10.tar"}));
  EXPECT_EQ(of("{x,s-10}.tar"), (Names{"x.tar", "s-10.tar"}));
  EXPECT_EQ(of("audio__OP_0..1_CL_.tar"), (Names{"audio_0.tar", "audio_1.tar"}));
  EXPECT_EQ(of("s-*.tar"), (Names{"s-08.tar", "s-09.tar", "s-10.tar"}));
  EXPECT_EQ(of("{s-0,audio_}*.tar"), (Names{"s-08.tar", "s-09.tar", "audio_0.tar", "audio_1.tar"}));
  EXPECT_EQ(of(""), (Names{"audio_0.tar", "audio_1.tar", "s-08.tar", "s-09.tar", "s-10.tar", "x.tar"}));
  EXPECT_EQ(of("none.tar"), (Names{"none.tar"}));
  const auto problem = [&](const std::string& pattern) {
    return test::message_of([&] { shard_paths(f + pattern); }).substr(f.size() + pattern.size());
  };
  EXPECT_EQ(problem("s-{06..11}.tar"), ": 3 of 6 files are not there: s-06.tar, s-07.tar and s-11.tar");
  EXPECT_EQ(problem("s-{10..11}.tar"), ": 1 of 2 files is not there: s-11.tar");
  EXPECT_EQ(problem("s-{9..1}.tar"), ": '{9..1}' is no range of numbers, as in {000000..000123}");
  EXPECT_EQ(problem("s-{a..b}.tar"), ": '{a..b}' is no range of numbers, as in {000000..000123}");
  EXPECT_EQ(problem("s-{1..2.tar"), ": a brace is opened and not closed");
  EXPECT_EQ(problem("s-{0..99999999999}.tar"), ": a range of more than 1000000 files");
  EXPECT_EQ(problem("s-{0..9999}{0..9999}.tar"), ": the braces stand for more than 1000000 files");
  EXPECT_EQ(problem("z*.tar"), ": no file matches");
  std::filesystem::create_directory(f + "empty");
  EXPECT_EQ(problem("empty"), ": the folder holds no .tar file");
}

}  // namespace
}  // namespace usam::data
