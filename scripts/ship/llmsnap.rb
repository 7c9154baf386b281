# Homebrew: put the jar where "url" says.
class Llmsnap < Formula
  desc "Local LLM servers behind one address, swapped on demand"
  homepage "@SOURCE@"
  url "@SOURCE@/llmsnap-@VERSION@.jar"
  sha256 "@JAR_SUM@"
  version "@VERSION@"
  depends_on "openjdk"

  def install
    libexec.install "llmsnap-#{version}.jar" => "llmsnap.jar"
    bin.write_jar_script libexec/"llmsnap.jar", "llmsnap"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/llmsnap --version")
  end
end
