//! Countries, by ISO 3166-1, with the calling codes that ITU-T E.164 gives them.

/// Two letters, three letters, calling code: every country of ISO 3166-1, and Kosovo, whose letters
/// are for users to assign. Those without a telephone network have no code; some share one, so that
/// a code does not tell the country.
const LIST: &str = "ADAND376 AEARE971 AFAFG93 AGATG1 AIAIA1 ALALB355 AMARM374 AOAGO244 AQATA ARARG54 ASASM1 ATAUT43 AUAUS61 AWABW297 \
AXALA358 AZAZE994 BABIH387 BBBRB1 BDBGD880 BEBEL32 BFBFA226 BGBGR359 BHBHR973 BIBDI257 BJBEN229 BLBLM590 BMBMU1 \
BNBRN673 BOBOL591 BQBES599 BRBRA55 BSBHS1 BTBTN975 BVBVT BWBWA267 BYBLR375 BZBLZ501 CACAN1 CCCCK61 CDCOD243 \
CFCAF236 CGCOG242 CHCHE41 CICIV225 CKCOK682 CLCHL56 CMCMR237 CNCHN86 COCOL57 CRCRI506 CUCUB53 CVCPV238 CWCUW599 \
CXCXR61 CYCYP357 CZCZE420 DEDEU49 DJDJI253 DKDNK45 DMDMA1 DODOM1 DZDZA213 ECECU593 EEEST372 EGEGY20 EHESH212 \
ERERI291 ESESP34 ETETH251 FIFIN358 FJFJI679 FKFLK500 FMFSM691 FOFRO298 FRFRA33 GAGAB241 GBGBR44 GDGRD1 GEGEO995 \
GFGUF594 GGGGY44 GHGHA233 GIGIB350 GLGRL299 GMGMB220 GNGIN224 GPGLP590 GQGNQ240 GRGRC30 GSSGS GTGTM502 GUGUM1 \
GWGNB245 GYGUY592 HKHKG852 HMHMD HNHND504 HRHRV385 HTHTI509 HUHUN36 IDIDN62 IEIRL353 ILISR972 IMIMN44 ININD91 \
IOIOT246 IQIRQ964 IRIRN98 ISISL354 ITITA39 JEJEY44 JMJAM1 JOJOR962 JPJPN81 KEKEN254 KGKGZ996 KHKHM855 KIKIR686 \
KMCOM269 KNKNA1 KPPRK850 KRKOR82 KWKWT965 KYCYM1 KZKAZ7 LALAO856 LBLBN961 LCLCA1 LILIE423 LKLKA94 LRLBR231 \
LSLSO266 LTLTU370 LULUX352 LVLVA371 LYLBY218 MAMAR212 MCMCO377 MDMDA373 MEMNE382 MFMAF590 MGMDG261 MHMHL692 \
MKMKD389 MLMLI223 MMMMR95 MNMNG976 MOMAC853 MPMNP1 MQMTQ596 MRMRT222 MSMSR1 MTMLT356 MUMUS230 MVMDV960 MWMWI265 \
MXMEX52 MYMYS60 MZMOZ258 NANAM264 NCNCL687 NENER227 NFNFK672 NGNGA234 NINIC505 NLNLD31 NONOR47 NPNPL977 NRNRU674 \
NUNIU683 NZNZL64 OMOMN968 PAPAN507 PEPER51 PFPYF689 PGPNG675 PHPHL63 PKPAK92 PLPOL48 PMSPM508 PNPCN PRPRI1 \
PSPSE970 PTPRT351 PWPLW680 PYPRY595 QAQAT974 REREU262 ROROU40 RSSRB381 RURUS7 RWRWA250 SASAU966 SBSLB677 \
SCSYC248 SDSDN249 SESWE46 SGSGP65 SHSHN290 SISVN386 SJSJM47 SKSVK421 SLSLE232 SMSMR378 SNSEN221 SOSOM252 \
SRSUR597 SSSSD211 STSTP239 SVSLV503 SXSXM1 SYSYR963 SZSWZ268 TCTCA1 TDTCD235 TFATF TGTGO228 THTHA66 TJTJK992 \
TKTKL690 TLTLS670 TMTKM993 TNTUN216 TOTON676 TRTUR90 TTTTO1 TVTUV688 TWTWN886 TZTZA255 UAUKR380 UGUGA256 UMUMI \
USUSA1 UYURY598 UZUZB998 VAVAT39 VCVCT1 VEVEN58 VGVGB1 VIVIR1 VNVNM84 VUVUT678 WFWLF681 WSWSM685 XKXKX383 \
YEYEM967 YTMYT262 ZAZAF27 ZMZMB260 ZWZWE263";

fn entries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    LIST.split(' ').filter_map(|entry| Some((entry.get(..2)?, entry.get(2..5)?, entry.get(5..)?)))
}

/// A country by its two letters of ISO 3166-1, in upper case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Country(pub String);

impl Country {
    /// The country of two letters or three, in any case. Any two letters are accepted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        alpha2(text).map(Self)
    }
}

fn alpha2(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    match upper.len() {
        2 => upper.bytes().all(|byte| byte.is_ascii_uppercase()).then_some(upper),
        3 => {
            entries().find(|(_, alpha3, _)| *alpha3 == upper).map(|(alpha2, ..)| alpha2.to_owned())
        }
        _ => None,
    }
}

/// What phone numbers of a country begin with, where that is known.
#[must_use]
pub fn calling_code(alpha2: &str) -> Option<&'static str> {
    entries()
        .find(|(letters, ..)| *letters == alpha2)
        .map(|(.., code)| code)
        .filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_named_by_two_letters_or_by_three_in_any_case() {
        for text in ["LR", "lr", "Lr", "LBR", "lbr", "Lbr"] {
            assert_eq!(alpha2(text).as_deref(), Some("LR"), "{text}");
        }
        assert_eq!(alpha2("RWA").as_deref(), Some("RW"));
        for text in ["", "L", "ZZZ", "LIBERIA", "231", "L1", "éé", "é"] {
            assert_eq!(alpha2(text), None, "{text}");
        }
    }

    #[test]
    fn the_list_is_whole_and_names_each_once() {
        let unique =
            |names: Vec<&str>| names.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(entries().count(), LIST.split(' ').count());
        assert_eq!(unique(entries().map(|(alpha2, ..)| alpha2).collect()), 250);
        assert_eq!(unique(entries().map(|(_, alpha3, _)| alpha3).collect()), 250);
        for (alpha2, alpha3, code) in entries() {
            assert!(
                format!("{alpha2}{alpha3}").bytes().all(|byte| byte.is_ascii_uppercase()),
                "{alpha2} {alpha3}"
            );
            assert!(
                code.len() <= 3 && code.bytes().all(|byte| byte.is_ascii_digit()),
                "{alpha2} {code}"
            );
        }
    }

    #[test]
    fn calling_codes_are_those_of_the_itu() {
        let known = [
            ("LR", "231"),
            ("RW", "250"),
            ("US", "1"),
            ("DE", "49"),
            ("GH", "233"),
            ("IE", "353"),
            ("XK", "383"),
        ];
        assert_eq!(
            known.map(|(country, _)| calling_code(country)),
            known.map(|(_, code)| Some(code))
        );
        assert_eq!([calling_code("AQ"), calling_code("ZZ")], [None, None]);
    }
}
