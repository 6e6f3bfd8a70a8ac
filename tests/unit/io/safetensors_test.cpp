#include "src/io/safetensors.h"

#include <sys/resource.h>

#include <csignal>
#include <random>

#include "src/base/error.h"
#include "src/io/safetensors_header.h"
#include "tests/support.h"
#include "tests/unit/io/python.h"

namespace usam::io {
namespace {

using test::message_of;

std::string framed(std::string header, const std::string& data = "") {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<char*>(&length), 8) + header + data;
}

NamedTensors one_of_each_dtype() {
  torch::manual_seed(3);
  NamedTensors tensors;
  for (auto dtype : {torch::kDouble, torch::kFloat, torch::kHalf, torch::kBFloat16})
    tensors.emplace_back(std::string("float.") + toString(dtype), torch::randn({2, 3}).to(dtype));
  for (auto dtype : {torch::kLong, torch::kInt, torch::kShort, torch::kChar, torch::kByte})
    tensors.emplace_back(std::string("int.") + toString(dtype), torch::randint(0, 100, {3}).to(dtype));
  tensors.emplace_back("bool", torch::tensor({true, false, true}));
  tensors.emplace_back("scalar", torch::tensor(7, torch::kLong));
  tensors.emplace_back("empty", torch::empty({0, 4}));
  tensors.emplace_back("transposed", torch::randn({3, 2}).t());
  tensors.emplace_back("unicode ü \"quoted\"", torch::ones({1}));
  return tensors;
}

TEST(Safetensors, RoundTripKeepsEveryDtypeAndShape) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "a.safetensors";
  const auto tensors = one_of_each_dtype();
  write_safetensors(path, tensors, {{"step", "12"}, {"note", "ö"}});
  SafetensorsFile file(path);
  EXPECT_EQ(file.names().size(), tensors.size());
  EXPECT_EQ(file.metadata(), (Metadata{{"step", "12"}, {"note", "ö"}}));
  for (const auto& [name, tensor] : tensors) {
    ASSERT_TRUE(file.contains(name));
    const auto read = file.get(name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(torch::equal(read, tensor)) << name;
  }
  EXPECT_FALSE(file.contains("absent"));
  EXPECT_EQ(message_of([&] { file.get("absent"); }), path + ": there is no tensor 'absent' in the file");
}

TEST(Safetensors, SameTensorsMakeTheSameBytesInAnyOrder) {
  test::TemporaryFolder folder;
  auto tensors = one_of_each_dtype();
  write_safetensors(folder.path() / "a", tensors);
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(folder.path() / "b", tensors);
  auto bytes = [&](const char* name) {
    std::ifstream stream(folder.path() / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  EXPECT_EQ(bytes("a"), bytes("b"));
  EXPECT_EQ((bytes("a")[0] & 7), 0);  // data aligned to eight bytes
}

TEST(Safetensors, ViewOutlivesTheFileAndTheLink) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "a.safetensors";
  write_safetensors(path, {{"x", torch::arange(1000)}});
  torch::Tensor view;
  {
    SafetensorsFile file(path);
    view = file.get("x");
    EXPECT_EQ(view.data_ptr(), file.get("x").data_ptr());  // mapped, not copied
  }
  write_safetensors(path, {{"x", torch::zeros({2})}});
  EXPECT_EQ(view.sum().item<int64_t>(), 499500);
}

TEST(Safetensors, WritingToAViewLeavesTheFile) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "a.safetensors";
  write_safetensors(path, {{"x", torch::arange(5000)}, {"y", torch::ones({5000})}});
  const SafetensorsFile file(path);
  auto view = file.get("x");
  view.fill_(7);
  EXPECT_EQ(file.get("x").sum().item<int64_t>(), 35000);  // this process sees it
  EXPECT_EQ(SafetensorsFile(path).get("x").sum().item<int64_t>(), 12497500);
  file.drop("x");
  const auto again = file.get("x").slice(0, 1024, 4096);  // the ends share pages with their neighbours
  EXPECT_TRUE(again.equal(torch::arange(1024, 4096)));
  EXPECT_EQ(file.get("y").sum().item<float>(), 5000);
}

TEST(Safetensors, MisalignedTensorIsReadAsACopy) {
  test::TemporaryFolder folder;
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const float value = 2.5F;
  const std::string path =
      folder.write("a", framed(header, "x" + std::string(reinterpret_cast<const char*>(&value), sizeof value)));
  SafetensorsFile file(path);
  EXPECT_EQ(file.get("b").item<float>(), 2.5F);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a", "b"}));
}

TEST(Safetensors, NamesStandInTheOrderOfTheirBytes) {
  test::TemporaryFolder folder;
  const std::string header =
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  EXPECT_EQ(SafetensorsFile(folder.write("a", framed(header, "xy"))).names(), (std::vector<std::string>{"a", "b"}));
}

struct Refused {
  std::string bytes;    // of the file
  std::string message;  // after "PATH: "
};

std::string tensor_header(const std::string& fields) {
  return R"({"x":{)" + fields + "}}";
}

std::vector<Refused> refused_files() {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  const std::string data(8, '\0');
  auto with = [&](const std::string& fields) { return framed(tensor_header(fields), data); };
  return {
      {"abc", "the file has 3 bytes, too few for a safetensors file"},
      {"", "the file has 0 bytes, too few for a safetensors file"},
      {std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + "{}",
       "this is not a safetensors file (its header would have 100000001 bytes; at most 100000000 are allowed)"},
      {std::string("\x10\0\0\0\0\0\0\0", 8) + "{}",
       "the header has 16 bytes but the file ends after 2; it is truncated, copy it again"},
      {framed(""), "this is not a safetensors file (no JSON header after the length)"},
      {framed(" {}"), "this is not a safetensors file (no JSON header after the length)"},
      {framed(std::string("{}\0x", 4)), "this is not a safetensors file (no JSON header after the length)"},
      {framed("{\"\xff\":1}"), "the header is not valid JSON in UTF-8 (at byte 3 of the header)"},
      {framed("{} x"), "the header is not valid JSON in UTF-8 (at byte 4 of the header)"},
      {framed(R"({"x":3})"), "'x' in the header is a number instead of an object"},
      {framed(R"({"x":[[[[[[)"), "'x' in the header is a list instead of an object"},
      {framed(R"({"__metadata__":{"a":1}})"), "the metadata key 'a' holds a number instead of a string"},
      {framed(R"({"__metadata__":{"a":"1","a":"2"}})"), "the metadata key 'a' stands twice in the header"},
      {framed("{}", "z"), "1 bytes after the last tensor belong to none"},
      {framed("{" + tensor_header(good).substr(1, tensor_header(good).size() - 2) + "," + tensor_header(good).substr(1),
              data),
       "tensor 'x' stands twice in the header"},
      {with(R"("shape":[2],"data_offsets":[0,8])"), "tensor 'x' has no dtype"},
      {with(R"("dtype":"F32","data_offsets":[0,8])"), "tensor 'x' has no shape"},
      {with(R"("dtype":"F32","shape":[2])"), "tensor 'x' has no data_offsets"},
      {with(good + R"(,"device":"cpu")"), "tensor 'x' has the unknown field 'device'"},
      {with(good + R"(,"shape":[2])"), "tensor 'x' has the field 'shape' twice"},
      {with(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])"),
       "tensor 'x' has dtype 'F8_E4M3'; usam reads F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL"},
      {with(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), "dtype of tensor 'x' holds a number"},
      {with(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "shape of tensor 'x' holds a negative number"},
      {with(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"),
       "shape of tensor 'x' holds a number that is not whole"},
      {with(R"("dtype":"F32","shape":[{}],"data_offsets":[0,8])"), "shape of tensor 'x' holds an object"},
      {with(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8])"),
       "shape of tensor 'x' holds an over-large number"},
      {with(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
       "the shape of tensor 'x' overflows"},
      {with(R"("dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,8])"),
       "the shape of tensor 'x' overflows"},
      {with(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])"),
       "data_offsets of tensor 'x' has 3 numbers instead of 2"},
      {with(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "tensor 'x' ends (byte 0) before it begins (byte 8)"},
      {with(R"("dtype":"F32","shape":[4],"data_offsets":[0,16])"),
       "tensor 'x' ends at byte 16 but the file holds 8 bytes of data; it is truncated, copy it again"},
      {with(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"),
       "there is a gap before tensor 'x', which begins at byte 4 instead of 0"},
      {with(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
       "tensor 'x' has 8 bytes but its shape and dtype ask for 12"},
      {framed(
           R"({"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"y":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
           data),
       "two tensors overlap before tensor 'y', which begins at byte 4 instead of 8"},
  };
}

TEST(Safetensors, RefusesBrokenFilesAndNamesFileAndTensor) {
  test::TemporaryFolder folder;
  for (const auto& [bytes, message] : refused_files()) {
    const std::string path = folder.write("bad.safetensors", bytes);
    EXPECT_EQ(message_of([&] { SafetensorsFile file(path); }), path + ": " + message);
    EXPECT_THROW(SafetensorsFile file(path), UserError);
  }
  const std::string path = folder.path().string();
  EXPECT_EQ(message_of([&] { SafetensorsFile file(path); }), path + ": this is not a file");
  EXPECT_EQ(message_of([&] { SafetensorsFile file(path + "/none"); }),
            path + "/none: cannot open the file: No such file or directory");
}

TEST(Safetensors, RefusesABoolThatIsNeitherTrueNorFalse) {
  test::TemporaryFolder folder;
  const std::string header = R"({"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  const std::string path = folder.write("a", framed(header, "\x01\x02"));
  EXPECT_EQ(message_of([&] { SafetensorsFile(path).get("x"); }),
            path + ": tensor 'x' is BOOL but holds bytes other than 0 and 1");
}

TEST(Safetensors, NestingIsRefusedAtItsFirstToken) {
  std::string deep = R"({"x":)" + std::string(50'000'000, '[');
  EXPECT_EQ(message_of([&] { parse_safetensors_header("f", deep, 0); }),
            "f: 'x' in the header is a list instead of an object");
}

TEST(Safetensors, EveryTruncationIsRefused) {
  test::TemporaryFolder folder;
  write_safetensors(folder.path() / "a", {{"x", torch::ones({3})}, {"y", torch::ones({2}, torch::kLong)}});
  std::ifstream stream(folder.path() / "a", std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(stream), {});
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(SafetensorsFile(folder.write("b", whole.substr(0, size))), UserError) << size;
}

TEST(Safetensors, MutatedHeadersAreReadOrRefusedNeverWorse) {
  const std::string good =
      R"({"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}})";
  const std::string alphabet = "{}[]\",:0129-.eE\\ \xc3\xa9xntf";
  std::mt19937 random(11);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string header = good;
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % header.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          header[at] = c;
          break;
        case 1:
          header.insert(at, 1, c);
          break;
        default:
          header.erase(at, 1);
      }
    }
    try {
      parse_safetensors_header("f", header, 12);
    } catch (const UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 15000);
  EXPECT_LT(refused, 20000);  // an edit inside a name or a value of the metadata does no harm
}

// A limit on file sizes stands in for a full disk: the same failing write.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Safetensors, AFailedWriteLeavesWhatWasThere) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "a.safetensors";
  write_safetensors(path, {{"x", torch::ones({3})}});
  {
    FullDisk full(4096);
    EXPECT_EQ(message_of([&] { write_safetensors(path, {{"x", torch::zeros({100000})}}); }),
              "Cannot write '" + path + "': File too large.");
  }
  EXPECT_EQ(SafetensorsFile(path).get("x").sum().item<float>(), 3);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);  // no leftovers
  EXPECT_EQ(message_of([&] { write_safetensors(path + "/b", {}); }), "Cannot write '" + path + "/b': Not a directory.");
}

TEST(Safetensors, TheWriterRefusesWhatTheFormatCannotHold) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "a";
  const auto one = torch::ones({1});
  EXPECT_THROW(write_safetensors(path, {{"x", one}, {"x", one}}), std::logic_error);
  EXPECT_THROW(write_safetensors(path, {{"__metadata__", one}}), std::logic_error);
  EXPECT_THROW(write_safetensors(path, {{"x", torch::ones({1}, torch::kComplexFloat)}}), std::logic_error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, ReferenceLibraryReadsOursAndWeReadIts) {
  USAM_NEEDS_ORACLE_PYTHON();
  test::TemporaryFolder folder;
  const std::string ours = folder.path() / "ours", theirs = folder.path() / "theirs";
  const auto tensors = one_of_each_dtype();
  write_safetensors(ours, tensors, {{"k", "v"}});
  const std::string script = folder.write("round_trip.py",
                                          "import sys\n"
                                          "from safetensors.torch import load_file, save_file\n"
                                          "from safetensors import safe_open\n"
                                          "assert safe_open(sys.argv[1], 'pt').metadata() == {'k': 'v'}\n"
                                          "save_file(load_file(sys.argv[1]), sys.argv[2], {'from': 'reference'})\n");
  const auto run = test::run_command(test::oracle_python() + " " + script + " " + ours + " " + theirs);
  ASSERT_EQ(run.status, 0) << run.text;
  SafetensorsFile file(theirs);
  EXPECT_EQ(file.names().size(), tensors.size());
  EXPECT_EQ(file.metadata().at("from"), "reference");
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(file.get(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(torch::equal(file.get(name), tensor)) << name;
  }
}

}  // namespace
}  // namespace usam::io
