#include "src/io/weights.h"

#include "src/base/error.h"
#include "src/tensor/coded.h"
#include "tests/support.h"
#include "tests/unit/io/python.h"

namespace usam::io {
namespace {

using test::message_of;

struct Net : torch::nn::Module {
  explicit Net(torch::ScalarType dtype = torch::kFloat) {
    a = register_module("a", torch::nn::Linear(3, 2));
    norm = register_module("norm", torch::nn::BatchNorm1d(2));
    to(dtype);  // the counter of the batch norm too
  }
  torch::nn::Linear a{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

NamedTensors state_of(const torch::nn::Module& module) {
  NamedTensors tensors;
  for (auto& entry : module.named_parameters()) tensors.emplace_back(entry.key(), entry.value().detach());
  for (auto& entry : module.named_buffers()) tensors.emplace_back(entry.key(), entry.value());
  return tensors;
}

TEST(WeightFiles, WholeFileShardsAndSingleFileHoldTheSame) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  std::filesystem::create_directories(folder.path() / "whole");
  std::filesystem::create_directories(folder.path() / "shards");
  const auto x = torch::rand({2}), y = torch::rand({3});
  write_safetensors(root + "/whole/model.safetensors", {{"x", x}, {"y", y}});
  write_safetensors(root + "/shards/model-00001-of-00002.safetensors", {{"x", x}});
  write_safetensors(root + "/shards/model-00002-of-00002.safetensors", {{"y", y}});
  folder.write("shards/model.safetensors.index.json",
               R"({"metadata":{"total_size":20},"weight_map":{"x":"model-00001-of-00002.safetensors",)"
               R"("y":"model-00002-of-00002.safetensors"}})");
  for (const std::string& path : {root + "/whole", root + "/shards", root + "/whole/model.safetensors"}) {
    WeightFiles files(path);
    EXPECT_EQ(files.source(), path);
    EXPECT_EQ(files.names(), (std::vector<std::string>{"x", "y"}));
    EXPECT_TRUE(torch::equal(files.get("x"), x));
    EXPECT_TRUE(torch::equal(files.get("y"), y));
    EXPECT_FALSE(files.contains("z"));
    EXPECT_EQ(message_of([&] { files.get("z"); }), path + ": there is no tensor 'z' in the weights");
  }
  EXPECT_EQ(WeightFiles(root + "/shards").files(),
            (std::vector<std::string>{root + "/shards/model-00001-of-00002.safetensors",
                                      root + "/shards/model-00002-of-00002.safetensors"}));
}

TEST(WeightFiles, SaysWhatIsAbsent) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  auto message = [&] { return message_of([&] { WeightFiles files(root); }); };
  EXPECT_EQ(message(), root + ": there is neither model.safetensors nor model.safetensors.index.json in the folder");
  EXPECT_EQ(message_of([&] { WeightFiles files(root + "/none"); }), root + "/none: no such file or folder");
  folder.write("pytorch_model.bin", "");
  EXPECT_EQ(message(), root +
                           ": the weights are there only as pytorch_model.bin, which usam does not read; convert them "
                           "once with `.venv/bin/python tools/convert_bin.py " +
                           root + "`");
  const std::string index =
      folder.write("model.safetensors.index.json",
                   R"({"weight_map":{"x":"a.safetensors","y":"b.safetensors","z":"c.safetensors"}})");
  write_safetensors(root + "/b.safetensors", {{"y", torch::ones({1})}});
  EXPECT_EQ(message(), index +
                           ": the index names shards that are not in the folder: a.safetensors, c.safetensors; "
                           "download them again");
}

TEST(WeightFiles, RefusesAnIndexThatLies) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  auto message = [&](const std::string& index) {
    folder.write("model.safetensors.index.json", index);
    return message_of([&] { WeightFiles files(root); });
  };
  const std::string index = root + "/model.safetensors.index.json";
  const auto one = torch::ones({1});
  write_safetensors(root + "/a", {{"x", one}});
  write_safetensors(root + "/b", {{"x", one}, {"y", one}});
  EXPECT_EQ(message("{"), index + ": the file is not valid JSON (at byte 2)");
  EXPECT_EQ(message("[]"), index + ": the index has no map 'weight_map'");
  EXPECT_EQ(message(R"({"weight_map":{"x":1}})"), index + ": weight_map gives no file name for tensor 'x'");
  EXPECT_EQ(message(R"({"weight_map":{"x":"../a"}})"),
            index + ": weight_map places tensor 'x' in '../a', which is not the name of a file in the folder");
  EXPECT_EQ(message(R"({"weight_map":{"x":"a","z":"a"}})"), index + ": tensor 'z' is not in a as the index says");
  EXPECT_EQ(message(R"({"weight_map":{"x":"a","y":"b"}})"), root + "/b: tensor 'x' also stands in " + root + "/a");
}

TEST(FolderJson, ReadsAndSaysWhatIsWrong) {
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  EXPECT_EQ(message_of([&] { read_folder_json(root, "config.json"); }),
            root + ": there is no config.json in the folder");
  EXPECT_TRUE(read_folder_json_if_present(root, "config.json").is_null());
  const std::string path = folder.write("config.json", "{\"a\": 1,}");
  EXPECT_EQ(message_of([&] { read_folder_json(root, "config.json"); }),
            path + ": the file is not valid JSON (at byte 9)");
  folder.write("config.json", "{\"a\": 1e999}");
  EXPECT_EQ(message_of([&] { read_folder_json(root, "config.json"); }),
            path + ": the file holds a number that is too large");
  std::filesystem::resize_file(path, 100'000'001);
  EXPECT_EQ(message_of([&] { read_folder_json(root, "config.json"); }),
            path + ": the file has 100000001 bytes; at most 100000000 are read");
  folder.write("config.json", "{\"a\": 1}");
  EXPECT_EQ(read_folder_json_if_present(root, "config.json")["a"], 1);
}

class LoadWeights : public testing::Test {
 protected:
  WeightFiles files(const NamedTensors& tensors) {
    write_safetensors(path, tensors);
    return WeightFiles(path);
  }
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "model.safetensors";
};

TEST_F(LoadWeights, CopiesParametersAndBuffersAndConvertsDtypes) {
  for (auto dtype : {torch::kFloat, torch::kBFloat16, torch::kDouble}) {
    Net source, target(dtype);
    source.norm->running_mean.fill_(0.5);
    auto tensors = state_of(source);
    for (auto& [name, tensor] : tensors)
      if (name == "norm.num_batches_tracked") tensor = torch::tensor(41, torch::kLong);  // as Python writes it
    load_weights(target, files(tensors));
    EXPECT_TRUE(torch::equal(target.a->weight, source.a->weight.to(dtype)));
    EXPECT_TRUE(torch::equal(target.norm->running_mean, source.norm->running_mean.to(dtype)));
    EXPECT_EQ(target.norm->num_batches_tracked.item<int64_t>(), 41);
    EXPECT_TRUE(target.a->weight.requires_grad());
    EXPECT_TRUE(target.a->weight.is_leaf());
    EXPECT_FALSE(target.a->weight.grad_fn());
  }
}

TEST_F(LoadWeights, ListsEveryProblemAndChangesNothing) {
  Net net;
  const auto before = net.a->weight.detach().clone();
  auto weights = files({{"a.weight", torch::ones({2, 3})},
                        {"a.bias", torch::ones({5})},
                        {"extra", torch::ones({1})},
                        {"norm.weight", torch::ones({2}, torch::kLong)},
                        {"norm.bias", torch::ones({2})},
                        {"norm.running_mean", torch::ones({2})}});
  EXPECT_EQ(message_of([&] { load_weights(net, weights); }),
            path +
                ": the weights do not fit the model, in 5 tensors (3 fit):\n"
                "  dtype of norm.weight: expected Float, got Long\n"
                "  shape of a.bias: expected [2], got [5]\n"
                "  unexpected: extra\n"
                "  missing: norm.num_batches_tracked [] Float\n"
                "  missing: norm.running_var [2] Float");
  EXPECT_THROW(load_weights(net, weights), UserError);
  EXPECT_TRUE(torch::equal(net.a->weight, before));
}

TEST_F(LoadWeights, RenamesLeavesOutTransformsAndTakesOptional) {
  Net net;
  LoadOptions options;
  options.rename = [](const std::string& name) {
    return name == "skip" ? "" : name.starts_with("model.") ? name.substr(6) : name;
  };
  options.optional = [](const std::string& name) { return name.starts_with("norm."); };
  options.transform = [](const std::string& name, const torch::Tensor& x) { return name == "a.weight" ? x.t() : x; };
  const auto weight = torch::rand({3, 2});
  load_weights(net, files({{"model.a.weight", weight}, {"model.a.bias", torch::ones({2})}, {"skip", weight}}), options);
  EXPECT_TRUE(torch::equal(net.a->weight, weight.t()));
  EXPECT_EQ(
      message_of([&] {
        load_weights(
            net,
            files(
                {{"model.a.weight", weight}, {"a.weight", weight}, {"a.bias", torch::ones({2})}, {"model.b", weight}}),
            options);
      }),
      path +
          ": the weights do not fit the model, in 2 tensors (2 fit):\n"
          "  a.weight and model.a.weight both go to a.weight\n"
          "  unexpected: model.b (as b)");
}

TEST_F(LoadWeights, KeepsTheTypeAskedForAndMapsWhatHasIt) {
  const auto weight = torch::rand({2, 3});
  NamedTensors tensors = {{"a.weight", weight.to(torch::kBFloat16)}, {"a.bias", torch::ones({2})}};
  for (const char* name : {"weight", "bias", "running_mean", "running_var"})
    tensors.emplace_back("norm." + std::string(name), torch::ones({2}, torch::kBFloat16));
  tensors.emplace_back("norm.num_batches_tracked", torch::tensor(3, torch::kLong));
  tensors.emplace_back("other", torch::ones({8}, torch::kBFloat16));
  const auto weights = files(tensors);
  EXPECT_EQ(weights.dtype(), torch::kBFloat16);
  EXPECT_EQ(weights.values(), 6 + 2 + 8 + 1 + 8);
  Net net;
  LoadOptions options;
  options.rename = [](const std::string& name) { return name == "other" ? "" : name; };
  options.keep_as = torch::kBFloat16;
  const auto report = load_weights(net, weights, options);
  EXPECT_EQ(report.tensors, 7);
  EXPECT_EQ(report.left_out, 1);
  EXPECT_EQ(report.bytes, 2 * 16 + 4);
  EXPECT_EQ(report.mapped_bytes, 2 * 14);  // all but a.bias and the counter, which the module has as a float
  EXPECT_EQ(net.a->weight.data_ptr(), weights.get("a.weight").data_ptr());
  EXPECT_TRUE(net.a->weight.equal(weight.to(torch::kBFloat16)));
  EXPECT_EQ(net.a->bias.scalar_type(), torch::kBFloat16);
  EXPECT_EQ(net.norm->num_batches_tracked.item<int64_t>(), 3);
  EXPECT_TRUE(net.a->weight.requires_grad());
  EXPECT_TRUE(net.a->weight.is_leaf());
  torch::NoGradGuard no_grad;
  net.a->weight.zero_();  // trained weights may be mapped too
  EXPECT_TRUE(WeightFiles(path).get("a.weight").equal(weight.to(torch::kBFloat16)));
}

TEST_F(LoadWeights, SplitsOneTensorOverSeveralPaths) {
  struct Pair : torch::nn::Module {
    Pair() {
      first = register_parameter("first", torch::zeros({2, 3}));
      second = register_parameter("second", torch::zeros({2, 3}));
    }
    torch::Tensor first, second;
  } pair;
  LoadOptions options;
  options.rename = [](const std::string&) { return "first"; };
  options.also = [](const std::string&) { return std::vector<std::string>{"second"}; };
  options.transform = [](const std::string& path, const torch::Tensor& x) { return x.chunk(2)[path == "second"]; };
  options.keep_as = torch::kFloat;
  const auto both = torch::rand({4, 3});
  const auto report = load_weights(pair, files({{"both", both}}), options);
  EXPECT_TRUE(torch::cat({pair.first, pair.second}).equal(both));
  EXPECT_EQ(report.tensors, 1);
  EXPECT_EQ(report.mapped_bytes, 48);
  EXPECT_EQ(message_of([&] { load_weights(pair, files({{"both", torch::rand({6, 3})}}), options); }),
            path +
                ": the weights do not fit the model, in 2 tensors (0 fit):\n"
                "  shape of first: expected [2, 3], got [3, 3]\n"
                "  shape of second: expected [2, 3], got [3, 3]");
}

TEST_F(LoadWeights, RefusesNanAndInfinityByName) {
  Net net;
  auto tensors = state_of(Net());
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.clone();
    if (name == "a.weight") tensor[1][2] = NAN;
    if (name == "norm.running_var") tensor[0] = -INFINITY;
  }
  const std::string message = path + ": NaN or infinity in the weights: a.weight and norm.running_var";
  EXPECT_EQ(message_of([&] { load_weights(net, files(tensors)); }), message);
  LoadOptions options;
  options.keep_as = torch::kFloat;
  EXPECT_EQ(message_of([&] { load_weights(net, files(tensors), options); }), message);
}

TEST_F(LoadWeights, RefusesWhatALowerTypeCannotHold) {
  Net net;
  auto tensors = state_of(Net());
  for (auto& [name, tensor] : tensors)
    if (name == "a.weight") tensor = torch::full({2, 3}, 1e5);
  LoadOptions options;
  options.keep_as = torch::kHalf;
  EXPECT_EQ(message_of([&] { load_weights(net, files(tensors), options); }),
            path + ": weights that float16 cannot hold: a.weight; keep them in bfloat16 or float32");
}

TEST_F(LoadWeights, ATiedParameterMayStandOnce) {
  struct Tied : torch::nn::Module {
    Tied() {
      weight = register_parameter("first", torch::zeros({2}));
      register_parameter("second", weight);
    }
    torch::Tensor weight;
  } tied;
  load_weights(tied, files({{"second", torch::ones({2})}}));
  EXPECT_EQ(tied.weight.sum().item<float>(), 2);
  EXPECT_EQ(message_of([&] { load_weights(tied, files({})); }),
            path +
                ": the weights do not fit the model, in 2 tensors (0 fit):\n  missing: first [2] Float\n  missing: "
                "second [2] Float");
}

TEST(ConvertBin, WritesWhatTorchSaved) {
  if (test::torch_python().empty())
    GTEST_SKIP() << "needs the virtual environment with torch (tools/setup; set USAM_VENV)";
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  const std::string script =
      folder.write("save.py",
                   "import sys, torch\n"
                   "w = torch.arange(6.).reshape(2, 3)\n"
                   "torch.save({'w': w, 'tied': w, 't': w.t(), 'n': torch.tensor(4), 'b': w.bfloat16(),\n"
                   "            'm': w > 2, 'e': torch.empty(0, 3)}, sys.argv[1] + '/pytorch_model.bin')\n");
  const auto run = test::run_command(test::torch_python() + " " + script + " " + root + " && " + test::torch_python() +
                                     " tools/convert_bin.py " + root);
  ASSERT_EQ(run.status, 0) << run.text;
  WeightFiles files(root);
  const auto w = torch::arange(6, torch::kFloat).reshape({2, 3});
  EXPECT_EQ(files.names().size(), 7);
  for (const char* name : {"w", "tied"}) EXPECT_TRUE(torch::equal(files.get(name), w));
  EXPECT_TRUE(torch::equal(files.get("t"), w.t()));
  EXPECT_TRUE(torch::equal(files.get("b"), w.to(torch::kBFloat16)));
  EXPECT_TRUE(torch::equal(files.get("m"), w > 2));
  EXPECT_EQ(files.get("n").item<int64_t>(), 4);
  EXPECT_EQ(files.get("e").sizes(), (std::vector<int64_t>{0, 3}));
}

TEST(ConvertBin, TakesACheckpointApartAndDescribesCeds) {
  if (test::torch_python().empty())
    GTEST_SKIP() << "needs the virtual environment with torch (tools/setup; set USAM_VENV)";
  test::TemporaryFolder folder;
  const std::string root = folder.path();
  const std::string script = folder.write(
      "save.py",
      "import sys, torch\n"
      "state = {'init_bn.1.weight': torch.ones(64), 'time_pos_embed': torch.zeros(1, 192, 1, 63),\n"
      "         'blocks.0.mlp.fc1.weight': torch.zeros(768, 192), 'blocks.11.norm1.bias': torch.zeros(192)}\n"
      "torch.save({'model': state, 'epoch': 3}, sys.argv[1] + '/ced.pt')\n"
      "torch.save([1, 2], sys.argv[1] + '/list.pt')\n");
  const std::string convert = test::torch_python() + " tools/convert_bin.py " + root;
  ASSERT_EQ(test::run_command(test::torch_python() + " " + script + " " + root).status, 0);
  const auto list = test::run_command(convert + "/list.pt");
  EXPECT_EQ(list.status, 1);
  EXPECT_EQ(list.text, root + "/list.pt: the file holds no map of tensors; is this a model's state dict?\n");
  const auto run = test::run_command(convert + "/ced.pt");
  ASSERT_EQ(run.status, 0) << run.text;
  EXPECT_EQ(WeightFiles(root).names().size(), 4);
  const Json config = read_folder_json(root, "config.json");
  EXPECT_EQ(config["model_type"], "ced");
  EXPECT_EQ(config["depth"], 12);
  EXPECT_EQ(config["num_heads"], 3);
  EXPECT_EQ(config["target_length"], 1012);
}

// Halves as codes, with a scale beside them.
struct Halves : torch::nn::Module, Coded {
  Halves() {
    codes = register_parameter("codes", torch::zeros({6}, torch::kChar), /*requires_grad=*/false);
    register_parameter("step", torch::full({1}, 0.5), /*requires_grad=*/false);
  }
  std::string coded() const override { return "codes"; }
  std::string code_scales() const override { return "step"; }
  std::vector<int64_t> value_sizes() const override { return {2, 3}; }
  void take_values(const torch::Tensor& values) override { codes.set_data((values * 2).flatten().to(torch::kChar)); }
  torch::Tensor codes;
};

TEST(StoredWeights, ValuesBecomeTheModulesOwnCodes) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "values.safetensors").string();
  const auto load = [&](const io::NamedTensors& tensors) {
    io::write_safetensors(path, tensors);
    torch::nn::Module root;
    const auto halves = root.register_module("proj", std::make_shared<Halves>());
    io::load_weights(root, io::WeightFiles(path));
    return halves->codes.clone();
  };
  for (auto type : {torch::kFloat, torch::kBFloat16, torch::kHalf})
    EXPECT_TRUE(load({{"proj.codes", torch::tensor({{1, 2, 3}, {4, 5, 6}}).to(type)}})
                    .equal(torch::tensor({2, 4, 6, 8, 10, 12}, torch::kChar)));
  const auto message = [&](const io::NamedTensors& tensors) { return test::message_of([&] { load(tensors); }); };
  const std::string head = path + ": the weights do not fit the model, in 1 tensor (";
  EXPECT_EQ(message({{"proj.codes", torch::ones({6})}}),
            head + "0 fit):\n  shape of proj.codes: expected [2, 3], got [6]");
  EXPECT_EQ(message({{"proj.codes", torch::ones({2, 3}, torch::kChar)}}),
            head + "0 fit):\n  dtype of proj.codes: expected Float, got Char");
  EXPECT_EQ(message({{"proj.codes", torch::ones({2, 3})}, {"proj.step", torch::ones({1})}}),
            head + "1 fit):\n  unexpected: proj.step");
  EXPECT_EQ(message({{"proj.codes", torch::full({2, 3}, NAN)}}), path + ": NaN or infinity in the weights: proj.codes");
}

TEST(StoredWeights, RefusesToPutValuesIntoWholeNumbers) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "values.safetensors").string();
  io::write_safetensors(path, {{"proj", torch::ones({2, 3})}});
  torch::nn::Module module;
  module.register_parameter("proj", torch::ones({2, 3}, torch::kChar), /*requires_grad=*/false);
  EXPECT_EQ(
      test::message_of([&] { io::load_weights(module, io::WeightFiles(path)); }),
      path + ": the weights do not fit the model, in 1 tensor (0 fit):\n  dtype of proj: expected Char, got Float");
}

// What a caller keeps in its own way is his; NaN is found all the same.
TEST(StoredWeights, LetsACallerTakeTensors) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "values.safetensors").string();
  io::write_safetensors(path, {{"a", torch::tensor({1.0F, NAN})}, {"b", torch::ones({2})}});
  torch::nn::Module module;
  auto a = module.register_parameter("a", torch::zeros({2}), false),
       b = module.register_parameter("b", torch::zeros({2}));
  io::LoadOptions options;
  options.take = [&](const std::string& name, const torch::Tensor& value) {
    if (name == "a") a.set_data(value.isnan().to(torch::kChar));
    return name == "a";
  };
  EXPECT_EQ(test::message_of([&] { io::load_weights(module, io::WeightFiles(path), options); }),
            path + ": NaN or infinity in the weights: a");
  EXPECT_TRUE(a.equal(torch::tensor({0, 1}, torch::kChar)));
  EXPECT_TRUE(b.equal(torch::ones({2})));
}

}  // namespace
}  // namespace usam::io
